/** Somebody who is told: a web server and a mail server that take what comes, and keep it. */
import { createServer, type Server as HttpServer, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";

export interface Told {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function listening(server: HttpServer | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** A web server that answers 204 to everything. */
export async function webSink(): Promise<{ url: string; told: Told[]; stop: () => void }> {
  const told: Told[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      told.push({ headers: request.headers, body });
      response.writeHead(204).end();
    });
  });
  const port = await listening(server);
  return { url: `http://127.0.0.1:${port}/hook`, told, stop: () => server.close() };
}

/** A mail server without encryption that takes every message (RFC 5321, as much as a sender needs). */
export async function mailSink(): Promise<{ port: number; messages: string[]; stop: () => void }> {
  const messages: string[] = [];
  const server = createTcpServer((socket) => {
    let text = "";
    let inMessage = false;
    const say = (line: string) => socket.write(`${line}\r\n`);
    say("220 sink");
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk.toString();
      for (;;) {
        const end = text.indexOf(inMessage ? "\r\n.\r\n" : "\r\n");
        if (end === -1) return;
        const part = text.slice(0, end);
        text = text.slice(end + (inMessage ? 5 : 2));
        if (inMessage) {
          messages.push(part);
          inMessage = false;
          say("250 taken");
        } else if (/^DATA/i.test(part)) {
          inMessage = true;
          say("354 go on");
        } else if (/^QUIT/i.test(part)) {
          say("221 bye");
          socket.end();
        } else {
          say("250 ok");
        }
      }
    });
  });
  const port = await listening(server);
  return { port, messages, stop: () => server.close() };
}
