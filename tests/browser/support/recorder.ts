/** Everything that leaves the page: as the browser tells it, of the page and its workers, and as the proxy saw it. */
import type { Page, Request } from "@playwright/test";
import type { RecordingProxy } from "./proxy";

/** One thing that left, and where it was seen. */
export interface Sent {
  readonly where: string;
  readonly bytes: Buffer;
}

export class Recorder {
  readonly #requests: Request[] = [];
  readonly #sockets: string[] = [];

  constructor(
    page: Page,
    private readonly proxy: RecordingProxy,
  ) {
    // Playwright hears of a page's dedicated workers too.
    page.on("request", (request) => this.#requests.push(request));
    page.on("websocket", (socket) => this.#sockets.push(socket.url()));
  }

  /** Addresses that are not the proxy's: there must be none. */
  foreign(): string[] {
    const urls = [...this.#requests.map((request) => request.url()), ...this.#sockets];
    return urls.filter((url) => !url.startsWith(`${this.proxy.origin}/`) && !url.startsWith(`blob:${this.proxy.origin}/`));
  }

  /** How many requests the browser told of, and how many the proxy saw. */
  get counts(): { browser: number; proxy: number } {
    return { browser: this.#requests.length, proxy: this.proxy.exchanges.length };
  }

  /** Addresses of which the browser told. */
  get urls(): string[] {
    return this.#requests.map((request) => request.url());
  }

  async sent(): Promise<Sent[]> {
    const all: Sent[] = [];
    const add = (where: string, bytes: Buffer | string | null) => {
      if (bytes !== null && bytes.length > 0) all.push({ where, bytes: Buffer.from(bytes) });
    };
    for (const request of this.#requests) {
      const name = `${request.method()} ${new URL(request.url()).pathname}, as the browser told it`;
      add(`URL of ${name}`, request.url());
      add(`headers of ${name}`, JSON.stringify(await request.allHeaders()));
      add(`body of ${name}`, request.postDataBuffer());
    }
    for (const { method, url, headers, body } of this.proxy.exchanges) {
      const name = `${method} ${url.split("?")[0]}, at the proxy`;
      add(`URL of ${name}`, url);
      add(`headers of ${name}`, headers.join("\n"));
      add(`body of ${name}`, body);
    }
    return all;
  }
}
