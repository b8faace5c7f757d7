// A help desk's database to measure with: rows like those that people and programs write, the same on every machine.
import { numbers } from "./content.mjs";

/** Rows of each table at size 1, which makes about 1 GiB in PostgreSQL with its indexes. */
const counts = { users: 50_000, tickets: 300_000, comments: 1_050_000, events: 2_000_000 };

/** The columns of each table as both engines know them, and the statements for what follows the rows. */
const tables = {
  users: "id bigint PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, created timestamp NOT NULL, active boolean NOT NULL",
  tickets:
    "id bigint PRIMARY KEY, number text NOT NULL UNIQUE, customer bigint NOT NULL, assignee bigint, subject text NOT NULL, body text NOT NULL, status text NOT NULL, priority smallint NOT NULL, created timestamp NOT NULL, hours numeric(8,2)",
  comments:
    "id bigint PRIMARY KEY, ticket bigint NOT NULL, author bigint NOT NULL, body text NOT NULL, internal boolean NOT NULL, created timestamp NOT NULL",
  events: "id bigint PRIMARY KEY, ticket bigint NOT NULL, actor bigint, kind text NOT NULL, before text, after text, at timestamp NOT NULL",
};
const indexes = [
  "tickets (status, created)",
  "tickets (customer)",
  "tickets (assignee)",
  "comments (ticket, created)",
  "comments (author)",
  "events (ticket, at)",
  "events (actor)",
];
const keys = [
  "tickets (customer) users",
  "tickets (assignee) users",
  "comments (ticket) tickets",
  "comments (author) users",
  "events (ticket) tickets",
  "events (actor) users",
];

export const tableNames = Object.keys(tables);

/** PostgreSQL's statements before and after the rows. */
export const postgresSchema = {
  before: Object.entries(tables).map(([name, columns]) => `CREATE TABLE ${name} (${columns});`),
  after: [
    ...indexes.map((index) => `CREATE INDEX ON ${index};`),
    ...keys.map((key) => key.split(" ")).map(([table, column, to]) => `ALTER TABLE ${table} ADD FOREIGN KEY ${column} REFERENCES ${to};`),
    `VACUUM (ANALYZE, FREEZE) ${tableNames.join(", ")};`,
  ],
};

/** SQLite's. */
export const sqliteSchema = {
  before: Object.entries(tables).map(([name, columns]) => {
    const references = keys.map((key) => key.split(" ")).filter(([table]) => table === name);
    return `CREATE TABLE ${name} (${[columns, ...references.map(([, column, to]) => `FOREIGN KEY ${column} REFERENCES ${to} (id)`)].join(", ")});`;
  }),
  after: indexes.map((index, number) => `CREATE INDEX index_${number} ON ${index};`),
};

const syllables = "an be ce den er for ge hal in ku la men no or pas ri sen tor un ver we zi chen tic lo ma".split(" ");

/** Words as languages have them: a few are everywhere, most are rare. */
function vocabulary(next) {
  const words = Array.from({ length: 6000 }, () =>
    Array.from({ length: 1 + (next() % 4) }, () => syllables[next() % syllables.length]).join(""),
  );
  return () => words[Math.floor(words.length * ((next() & 0xffff) / 0x10000) ** 3)];
}

/** Sentences to choose from. People write much the same, and programs and templates even more so. */
function sentences(next) {
  const word = vocabulary(next);
  const pool = Array.from({ length: 12_000 }, () => {
    const text = Array.from({ length: 5 + (next() % 12) }, word).join(" ");
    return `${text[0].toUpperCase()}${text.slice(1)}.`;
  });
  return () => pool[Math.floor(pool.length * ((next() & 0xffff) / 0x10000) ** 4)];
}

/** The rows of a table, some thousand lines of COPY text at a time. */
export function* rows(table, size = 1) {
  const next = numbers(table);
  const sentence = sentences(next);
  const pick = (list) => list[next() % list.length];
  const says = (most) => Array.from({ length: 1 + (next() % most) }, sentence).join(" ");
  // Mail has a signature, and often the mail that it answers.
  const signatures = Array.from({ length: 300 }, () => `\\n\\n-- \\n${sentence()}\\n${sentence()}\\nTel. +49 30 ${next() % 1_000_000}`);
  let answered = says(3);
  const mail = (most) => {
    const own = says(most);
    const text = `${own}${next() % 2 ? pick(signatures) : ""}${next() % 3 ? "" : `\\n\\n> ${answered}`}`;
    answered = own;
    return text;
  };
  const of = (other) => 1 + (next() % Math.round(counts[other] * size));
  const time = (id, total) => new Date(1.6e12 + (id / total) * 1.5e11 + (next() % 9e6)).toISOString().slice(0, 23).replace("T", " ");
  const states = ["new", "open", "waiting", "solved", "closed", "closed", "closed"];
  const make = {
    users: (id, total) => [
      id,
      `${pick(syllables)}.${pick(syllables)}${id}@example.org`,
      `${sentence().slice(0, 14).trim()} ${pick(syllables)}`,
      time(id, total),
      next() % 9 ? "t" : "f",
    ],
    tickets: (id, total) => [
      id,
      `HD-${1_000_000 + id}`,
      of("users"),
      next() % 6 ? of("users") : "\\N",
      sentence().slice(0, 70),
      mail(8),
      pick(states),
      next() % 4,
      time(id, total),
      next() % 3 ? (next() % 4000) / 100 : "\\N",
    ],
    comments: (id, total) => [id, of("tickets"), of("users"), mail(4), next() % 4 ? "f" : "t", time(id, total)],
    events: (id, total) => {
      const kind = pick(["status", "assignee", "subject", "viewed", "mail"]);
      const change =
        kind === "status"
          ? [pick(states), pick(states)]
          : kind === "subject"
            ? [sentence(), sentence()]
            : ["\\N", kind === "mail" ? `<${next().toString(36)}.${id}@mail.example.org>` : "\\N"];
      return [id, of("tickets"), next() % 8 ? of("users") : "\\N", kind, ...change, time(id, total)];
    },
  };
  const total = Math.round(counts[table] * size);
  for (let first = 1; first <= total; first += 4000) {
    const ids = Array.from({ length: Math.min(4000, total - first + 1) }, (_, index) => first + index);
    yield `${ids.map((id) => make[table](id, total).join("\t")).join("\n")}\n`;
  }
}
