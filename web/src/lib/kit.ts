/**
 * The recovery kit: one page that opens archives without this server, and without Coffer. It is made here, from a key that
 * was made here; neither leaves this page but to the user's disk.
 */
import type { SecretKeyPair } from "@coffer/archive";
import encodeQR from "qr";
import { texts } from "../texts";

export interface KitFacts {
  readonly key: SecretKeyPair;
  readonly profile: string;
  /** Where the profile is. */
  readonly server: string;
  readonly made: Date;
}

const style = `
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; }
h1 { margin: 0 0 .25rem; font-size: 1.6rem; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
.warn { padding: .75rem 1rem; border: 2px solid #8a1f11; border-radius: .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { color: #57606a; }
dd { margin: 0; overflow-wrap: anywhere; }
pre, code, .mono { font-family: ui-monospace, monospace; }
pre { padding: .75rem 1rem; border: 1px solid #8c959f; border-radius: .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
svg { display: block; width: 14rem; height: 14rem; }
li { margin: .25rem 0; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2, svg, pre { break-after: avoid; break-inside: avoid; } }
`;

/** The kit as the text of an HTML file. It runs nothing and asks nobody for anything. */
export async function recoveryKit({ key, profile, server, made }: KitFacts): Promise<string> {
  const text = texts.kit;
  const policy = `default-src 'none'; style-src 'sha256-${await digest(style)}'; form-action 'none'; base-uri 'none'`;
  const facts = [
    [text.fingerprint, `<span class="mono">${escaped(key.fingerprint)}</span>`],
    [text.profile, escaped(profile)],
    [text.made, escaped(made.toISOString().slice(0, 10))],
    [text.server, escaped(server)],
    [text.opens, escaped(text.opensWhat(profile))],
  ];
  const list = (items: readonly string[]) => `<ol>${items.map((item) => `<li>${item}</li>`).join("\n")}</ol>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escaped(text.title(profile))}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(text.title(profile))}</h1>
<p class="warn">${escaped(text.warning)}</p>
<dl>
${facts.map(([name, value]) => `<dt>${escaped(name ?? "")}</dt><dd>${value}</dd>`).join("\n")}
</dl>
<h2>${escaped(text.secret)}</h2>
<pre id="coffer-key-file">${escaped(key.secret)}</pre>
<p>${escaped(text.qr)}</p>
${encodeQR(key.secret, "svg", { ecc: "quartile" })}
<h2>${escaped(text.withCoffer)}</h2>
${list(text.withCofferSteps.map(escaped))}
<h2>${escaped(text.without)}</h2>
<p>${escaped(text.withoutLead)}</p>
${list(text.withoutSteps[key.type].map(escaped))}
</body>
</html>
`;
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => entities[character] ?? character);

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return btoa(String.fromCharCode(...bytes));
}
