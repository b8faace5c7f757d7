/** From anything thrown to what a person is told. */
import { ArchiveFailure } from "@coffer/archive";
import { type ProblemText, texts } from "../texts";
import { ApiFailure } from "./api";
import { sentence } from "./sentence";

export function problemOf(thrown: unknown): ProblemText {
  if (thrown instanceof ArchiveFailure) return archiveProblem(thrown);
  if (thrown instanceof ApiFailure) return serverProblem(thrown);
  return { ...texts.unexpected, detail: `${String(thrown)} ${texts.unexpected.detail}` };
}

function archiveProblem({ code, message }: ArchiveFailure): ProblemText {
  const known: Record<string, ProblemText> = texts.archive;
  // What stopped it is the one thing that helps whoever is to repair it.
  if (code === "worker_crashed") return { ...texts.archive.worker_crashed, detail: message };
  return known[code] ?? { title: texts.archiveOther.title, detail: message, next: texts.archiveOther.next };
}

function serverProblem({ code, detail }: ApiFailure): ProblemText {
  if (code === "unreachable" || code === "unexpected_answer" || code === "not_signed_in") return texts.server[code];
  // The server's sentence says what happened, what is untouched and what to do next.
  return { title: texts.server.other, detail: sentence(detail), next: "" };
}

/** Whether the user gave it up: nothing to tell. */
export const isCancelled = (thrown: unknown): boolean =>
  (thrown instanceof ArchiveFailure && (thrown.code === "cancelled" || thrown.code === "closed")) ||
  (thrown instanceof DOMException && thrown.name === "AbortError");
