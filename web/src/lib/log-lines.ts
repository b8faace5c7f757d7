/** The log of a run, line by line. */

export interface LogLine {
  /** RFC 3339; missing if the line has none. */
  readonly at: string | undefined;
  readonly line: string;
}

export function logLines(log: string): LogLine[] {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .map((text) => {
      const [first = "", ...rest] = text.split(" ");
      const timed = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(first) && !Number.isNaN(Date.parse(first));
      return timed ? { at: first, line: rest.join(" ") } : { at: undefined, line: text };
    });
}
