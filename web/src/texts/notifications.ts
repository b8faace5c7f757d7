/** Words about notices: who is told when a run fails, and how. */
import type { Security } from "../lib/channels";
import { plain } from "../lib/visible";

export const notificationTexts = {
  notifications: {
    title: "Notifications",
    lead: "Coffer tells every channel when a run has failed for the last time, when one was missed, and when the job works again.",
    add: "New channel",
    none: "Nobody is told yet",
    noneLead: "Without a channel, a run that fails is only seen by who looks here. Add a mail address or a webhook, then send a test.",
    kinds: { email: "E-mail", webhook: "Webhook" },
    off: "Switched off",
    switchOff: "Switch off",
    switchOn: "Switch on",
    to: (addresses: readonly string[]) => `to ${addresses.map(plain).join(", ")}`,
    through: (host: string, port: number, security: string) => `through ${plain(host)}:${port}, ${security}`,
    securities: { tls: "TLS", starttls: "STARTTLS", none: "not encrypted" } satisfies Record<Security, string>,
    user: (name: string) => `as ${plain(name)}`,
    signed: "signed",
    test: "Send a test",
    testing: "Sending…",
    accepted: {
      email: "The mail server took the test message. Look into the mailbox, also among what it takes for spam.",
      webhook: "The other side took the test message.",
    },
    refused: "The test message was not accepted",
    change: "Change…",
    remove: "Remove",
    removeTitle: (name: string) => `Remove the channel ${plain(name)}?`,
    removeLead: "It is told nothing any more, also not what still waits to be sent.",
  },

  addChannel: {
    title: "New channel",
    name: "Name",
    nameHint: "How you call it, e.g. On call.",
    kind: "Kind",
    kinds: {
      email: { name: "E-mail", hint: "Through a mail server of yours." },
      webhook: { name: "Webhook", hint: "A signed request to an address of yours." },
    },
    host: "Mail server",
    security: "Encryption",
    securities: {
      tls: "TLS from the start",
      starttls: "STARTTLS",
      none: "None: others on the way can read it, and no password is sent",
    } satisfies Record<Security, string>,
    port: "Port",
    from: "From",
    to: "To",
    toHint: "One address, or several with commas between.",
    user: "User name at the mail server",
    userHint: "Leave it empty if the mail server asks for none.",
    password: "Password at the mail server",
    passwordHint: "It is stored encrypted and never shown again.",
    url: "Address",
    urlHint: "https://… Each message is signed with a secret that is made here.",
    changeTitle: (name: string) => `Change the channel ${plain(name)}`,
    passwordStays: "Left empty, the stored one stays.",
    webhookStays:
      "Address and secret of a webhook stay, because its secret is shown only when it is added. For another address, add another channel.",
    save: "Save the channel",
    submit: "Add the channel",
    working: "Adding…",
    secretTitle: "The webhook’s secret",
    secretLead:
      "Its messages are signed with this, as Standard Webhooks describes it. Copy it now to where they are checked: it is shown this once.",
    secret: "The secret",
    done: "Done",
  },
};
