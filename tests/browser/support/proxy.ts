/**
 * A recording reverse proxy in front of the server. The browser knows no other address, so what is not in these
 * records did not leave it.
 */
import { createServer, type Server as HttpServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Exchange {
  readonly method: string;
  readonly url: string;
  /** Names and values as they came, one after the other. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Bytes of the answer's body that were handed on. */
  answered: number;
  /** The answer's `Content-Range`, where it has one. */
  contentRange: string | undefined;
}

export class RecordingProxy {
  readonly exchanges: Exchange[] = [];
  /** While true, requests are cut off without an answer, as by a network that is gone. */
  broken = false;

  private constructor(
    private readonly http: HttpServer,
    readonly origin: string,
  ) {}

  static async start(upstream: string): Promise<RecordingProxy> {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const proxy = new RecordingProxy(http, `http://127.0.0.1:${(http.address() as AddressInfo).port}`);
    http.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => void proxy.pass(incoming, outgoing, upstream));
    return proxy;
  }

  private async pass(incoming: IncomingMessage, outgoing: ServerResponse, upstream: string): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of incoming) parts.push(part as Buffer);
    } catch {
      return; // The browser gave it up.
    }
    const body = Buffer.concat(parts);
    const { method = "", url = "", rawHeaders } = incoming;
    const exchange: Exchange = { method, url, headers: rawHeaders, body, answered: 0, contentRange: undefined };
    this.exchanges.push(exchange);
    if (this.broken) {
      incoming.socket.destroy();
      return;
    }

    // To the server, it is the address that was asked for.
    const { host } = new URL(upstream);
    const headers: Record<string, string | string[] | undefined> = { ...incoming.headers, host };
    if (headers.origin) headers.origin = upstream;
    const forward = request(new URL(url, upstream), { method, headers }, (answer) => {
      exchange.contentRange = answer.headers["content-range"];
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.on("data", (part: Buffer) => {
        exchange.answered += part.length;
      });
      answer.pipe(outgoing);
    });
    forward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forward.destroy());
    forward.end(body);
  }

  async stop(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }
}
