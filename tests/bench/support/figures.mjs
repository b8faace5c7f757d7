// Figures of paired runs: medians and the ratios of runs that were made side by side.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median of the ratios within each round: what the machine did meanwhile falls on both.
 *
 * @param {number[]} mine
 * @param {number[]} theirs
 */
export const ratio = (mine, theirs) => median(mine.map((value, round) => value / theirs[round]));

/** MB/s, MB being a million bytes. */
export const speed = (bytes, milliseconds) => bytes / 1e3 / milliseconds;

/** @param {string[][]} rows the first is the head */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join("\n");
}
