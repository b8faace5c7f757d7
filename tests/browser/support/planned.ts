/** Plans don't lie: what each restore of a page's reports is compared with the plan that the page was shown. */
import { isDeepStrictEqual } from "node:util";
import type { Page, Response } from "@playwright/test";

type Counts = Record<string, unknown>;

interface Named {
  name: string;
  schema?: string;
}

export interface Plan {
  mode: string;
  tables: { table: Named; insert: number; merge?: Counts }[];
  file_sets: (Named & { insert: number; merge?: Counts })[];
}

export interface Report {
  tables: (Named & { rows: number })[];
  merged?: (Named & Counts)[];
  file_sets: (Named & { files: number })[];
}

interface Made {
  digest: string;
  plan: Plan;
}

interface Run {
  state: string;
  result: unknown;
}

/** What is told of each table or file set, by its name. */
function named<T>(list: T[], name: (one: T) => Named, told: (one: T) => unknown): [string, unknown][] {
  const label = ({ schema = "", name }: Named) => `${schema}.${name}`;
  const all = list.map((one): [string, unknown] => [label(name(one)), told(one)]);
  return all.toSorted(([one], [other]) => one.localeCompare(other));
}

const without = (counts: object, ...names: string[]) =>
  Object.fromEntries(Object.entries(counts).filter(([name]) => !names.includes(name)));

/** What a report says otherwise than the plan; nothing if all of it is the same. */
export function differences(plan: Plan, report: Report): string[] {
  const merges = plan.mode !== "replace" || plan.tables.some(({ merge }) => merge);
  const pairs: [string, unknown, unknown][] = [
    [
      "tables",
      named(
        plan.tables,
        ({ table }) => table,
        ({ insert, merge }) => (merges ? merge : insert),
      ),
      merges
        ? named(
            report.merged ?? [],
            (table) => table,
            (table) => without(table, "schema", "name"),
          )
        : named(
            report.tables,
            (table) => table,
            ({ rows }) => rows,
          ),
    ],
    [
      "file sets",
      named(
        plan.file_sets,
        (set) => set,
        ({ insert, merge }) => (merges ? merge : insert),
      ),
      named(
        report.file_sets,
        (set) => set,
        (set) => (merges ? without(set, "name", "files") : set.files),
      ),
    ],
  ];
  return pairs
    .filter(([, planned, done]) => !isDeepStrictEqual(planned, done))
    .map(([what, planned, done]) => `${what}: planned ${JSON.stringify(planned)}, done ${JSON.stringify(done)}`);
}

/** Hears what a page plans and restores. */
export class Planned {
  private readonly hearing: Promise<void>[] = [];
  private readonly plans = new Map<string, Plan>();
  private readonly rehearsals: string[] = [];
  private readonly restores: { run: string; digest: string }[] = [];

  constructor(
    private readonly page: Page,
    private readonly origin: string,
  ) {
    page.on("response", (response) => this.hearing.push(this.heard(response)));
  }

  private async heard(response: Response): Promise<void> {
    const { pathname } = new URL(response.url());
    if (response.request().method() !== "POST" || !response.ok()) return;
    if (/^\/api\/(plans|safety-backups\/[^/]+\/plan)$/.test(pathname)) this.keep(await response.json());
    else if (pathname === "/api/rehearsals") this.rehearsals.push((await response.json()).run);
    else if (/^\/api\/(restores|safety-backups\/[^/]+\/undo)$/.test(pathname)) {
      const digest: string = response.request().postDataJSON().plan_digest;
      this.restores.push({ run: (await response.json()).run, digest });
    }
  }

  private keep({ digest, plan }: Made): void {
    this.plans.set(digest, plan);
  }

  private async run(id: string): Promise<Run> {
    const answer = await this.page.request.get(`${this.origin}/api/runs/${id}`);
    if (!answer.ok()) throw new Error(`nobody says what run ${id} did: ${answer.status()}`);
    return answer.json();
  }

  /** Compares each restore that was carried out with its plan, while the user is still signed in. */
  async check(): Promise<void> {
    await Promise.all(this.hearing);
    if (this.restores.length === 0) return;
    for (const rehearsal of this.rehearsals) {
      const { state, result } = await this.run(rehearsal);
      if (state === "done") this.keep(result as Made);
    }
    for (const { run, digest } of this.restores) {
      const { state, result } = await this.run(run);
      if (state !== "done") continue;
      const plan = this.plans.get(digest);
      if (!plan) throw new Error(`run ${run} carried out a plan that the page was never shown`);
      const found = differences(plan, result as Report);
      if (found.length > 0) throw new Error(`the plan lied: ${found.join("; ")}`);
    }
  }
}
