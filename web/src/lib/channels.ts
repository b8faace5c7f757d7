/** Where notices go, as the server answers about it. */
import { type Id, json, remove } from "./api";

export type Security = "tls" | "starttls" | "none";

export interface EmailConfig {
  readonly kind: "email";
  readonly host: string;
  readonly port: number;
  readonly security: Security;
  readonly from: string;
  readonly to: readonly string[];
  readonly user?: string;
}

export interface WebhookConfig {
  readonly kind: "webhook";
  readonly url: string;
}

export interface Channel {
  readonly id: Id;
  readonly name: string;
  readonly config: EmailConfig | WebhookConfig;
  readonly has_secret: boolean;
  readonly enabled: boolean;
  readonly created_at: string;
}

export interface NewChannel {
  readonly name: string;
  readonly config: EmailConfig | WebhookConfig;
  /** The mail server's password; or what a webhook's messages are signed with, where the server doesn't know it any more. */
  readonly secret?: string;
  readonly enabled: boolean;
}

/** The ports at which mail servers usually listen. */
export const usualPorts: Record<Security, number> = { tls: 465, starttls: 587, none: 25 };

export const channels = {
  list: () => json<Channel[]>("api/channels"),
  /** `secret` is what a webhook's messages are signed with; it is told this once. */
  add: (channel: NewChannel) => json<{ channel: Channel; secret: string | null }>("api/channels", "POST", channel),
  /** Without a password, the one that is stored stays as long as server and user do. */
  change: (id: Id, channel: NewChannel) => json<Channel>(`api/channels/${id}`, "PUT", channel),
  /** Secrets stay as they are. */
  setEnabled: ({ id, name, config }: Channel, enabled: boolean) => json<Channel>(`api/channels/${id}`, "PUT", { name, config, enabled }),
  remove: (id: Id) => remove(`api/channels/${id}`),
  test: (id: Id) => json<void>(`api/channels/${id}/test`, "POST", {}),
};

/** Addresses, as people separate them. */
export const addresses = (text: string): string[] =>
  text
    .split(/[,;\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
