/** Curves over time, drawn by uPlot, in the colours of the page. */
import type uPlot from "uplot";
import { axisTime, bytes, duration, shortDuration } from "./format";

/** What is counted. */
export type ValueKind = "bytes" | "seconds";

/** In words. */
export const inWords: Record<ValueKind, (value: number) => string> = { bytes, seconds: duration };
/** For an axis, where there is little room. */
const short: Record<ValueKind, (value: number) => string> = { bytes, seconds: shortDuration };

/** Labels that say nothing new are left away. */
const unrepeated = (labels: readonly string[]): string[] => labels.map((label, index) => (label === labels[index - 1] ? "" : label));

/** The steps that are round numbers where seconds are counted. */
const secondSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800];

/** How wide an axis with these labels is, in pixels. */
const widthOf = (labels: readonly string[] | null): number => 16 + 7 * Math.max(2, ...(labels ?? []).map((label) => label.length));

/** Draws into `frame`, which has a size of its own. */
export async function drawChart(
  frame: HTMLElement,
  points: readonly { readonly at: string; readonly value: number }[],
  kind: ValueKind,
): Promise<uPlot> {
  const format = short[kind];
  const [{ default: Plot }] = await Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]);
  const styles = getComputedStyle(frame);
  const colour = (name: string) => styles.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour("--muted"),
    font: `12px ${styles.fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const times = points.map(({ at }) => Date.parse(at));
  const span = Math.max(...times) - Math.min(...times);
  const options: uPlot.Options = {
    width: frame.clientWidth,
    height: frame.clientHeight,
    cursor: { show: false },
    legend: { show: false },
    padding: [8, 24, 0, 0],
    // From nothing, so that a small change does not look like a large one.
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.15 : 1] } },
    series: [
      {},
      {
        stroke: colour("--accent"),
        fill: colour("--accent-soft"),
        width: 2,
        points: { show: points.length <= 40, size: 6, fill: colour("--accent") },
      },
    ],
    axes: [
      { ...axis, size: 28, space: 90, values: (_plot, seconds) => unrepeated(seconds.map((second) => axisTime(second * 1000, span))) },
      {
        ...axis,
        ...(kind === "seconds" ? { incrs: [0.1, 0.2, 0.5, ...secondSteps] } : {}),
        size: (_plot, labels) => widthOf(labels),
        space: 26,
        values: (_plot, values) => values.map((value) => (value === 0 ? "0" : format(value))),
      },
    ],
  };
  const data: uPlot.AlignedData = [times.map((time) => time / 1000), points.map(({ value }) => value)];
  return new Plot(options, data, frame);
}
