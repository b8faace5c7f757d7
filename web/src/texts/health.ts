/** Words about how things stand, and what to do about what is wrong. */
import { ago, count, localTime } from "../lib/format";
import type { Health, Problem } from "../lib/health";
import { paths } from "../lib/router.svelte";
import { sentence } from "../lib/sentence";
import { plain } from "../lib/visible";

/** What is wrong, what to do, and the way there. */
export interface ProblemWords {
  readonly what: string;
  readonly next: string;
  readonly path?: string;
  readonly go?: string;
}

function words(problem: Problem, now: number): ProblemWords {
  switch (problem.kind) {
    case "never":
      return {
        what: `${plain(problem.source.name)} has no verified backup. Nothing of it is safe yet.`,
        next: "Take a backup below, or have a job do it.",
      };
    case "unplanned":
      return {
        what: `No schedule backs up ${plain(problem.source.name)}.`,
        next: "Add it to a job, so that nobody has to think of it.",
        path: paths.jobs,
        go: "To the jobs",
      };
    case "old":
      return {
        what: `The last verified backup of ${plain(problem.source.name)} is from ${ago(problem.last.created_at, now)}, older than its schedule allows.`,
        next: "See what became of the runs since.",
        path: paths.jobs,
        go: "To the jobs",
      };
    case "failed":
      return {
        what: `The last run of ${plain(problem.job.name)} failed, ${ago(problem.run.ended_at ?? problem.run.due_at, now)}. ${sentence(problem.run.error?.detail ?? "")}`,
        next: "Repair that, then run it again.",
        path: paths.job(problem.job.id),
        go: "To the job",
      };
    case "missed":
      return {
        what: `${plain(problem.job.name)} was due ${localTime(problem.run.due_at)} and did not run: no server was there.`,
        next: "Run it now, or wait for its next time.",
        path: paths.job(problem.job.id),
        go: "To the job",
      };
    case "trying_again":
      return {
        what: `${plain(problem.job.name)} failed and is tried again ${ago(problem.run.not_before, now)}.`,
        next: "Its log says why.",
        path: paths.job(problem.job.id),
        go: "To the job",
      };
    case "damaged":
      return {
        what: `${problem.copies > 0 ? count(problem.copies, "copy", "copies") : "What is stored"} of the backup of ${plain(problem.backup.source_name)} from ${localTime(problem.backup.created_at)} ${problem.copies > 1 ? "are" : "is"} damaged.`,
        next: "Do not rely on it. Take another backup, and look at the disk or bucket that holds it.",
      };
    case "not_ready":
      return {
        what: `${plain(problem.job.name)} seals to ${plain(problem.profile.name)}, of which nobody has shown that its kit can be found again.`,
        next: "Open the saved kit once.",
        path: paths.profiles,
        go: "To the keys",
      };
    case "nobody_told":
      return {
        what: "Nobody is told when a run fails.",
        next: "Add a mail address or a webhook.",
        path: paths.notifications,
        go: "To the notifications",
      };
  }
}

export const healthTexts = {
  health: {
    title: "How things stand",
    problem: words,
    headline: ({ state, problems, sources }: Health) => {
      switch (state) {
        case "good":
          return sources.length === 1
            ? "The source has a verified backup and a next run."
            : `All ${count(sources.length, "source", "sources")} have a verified backup and a next run.`;
        case "unknown":
          return sources.length === 0 ? "Nothing is backed up yet." : "All sources that you may see have a verified backup.";
        case "warn":
          return problems.length === 1 ? "One thing to look at" : `${count(problems.length, "thing", "things")} to look at`;
        case "bad":
          return problems.length === 1 ? "One thing needs you" : `${count(problems.length, "thing", "things")} to do`;
      }
    },
    next: "Next run",
    nextBy: (job: string) => `by ${plain(job)}`,
    nextNone: "none planned",
    last: "Last verified backup",
    charts: "Over time",
    chartsLead: "A backup that is suddenly much smaller or slower deserves a look.",
  },
};
