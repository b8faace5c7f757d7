/** Curves over time, drawn by uPlot, in the colours of the page. */
import type uPlot from "uplot";
import { axisTime } from "./format";

/** Labels that say nothing new are left away. */
const unrepeated = (labels: readonly string[]): string[] => labels.map((label, index) => (label === labels[index - 1] ? "" : label));

/** Draws into `frame`, which has a size of its own. */
export async function drawChart(
  frame: HTMLElement,
  points: readonly { readonly at: string; readonly value: number }[],
  format: (value: number) => string,
): Promise<uPlot> {
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
      { ...axis, size: 76, space: 36, values: (_plot, values) => values.map((value) => (value === 0 ? "0" : format(value))) },
    ],
  };
  const data: uPlot.AlignedData = [times.map((time) => time / 1000), points.map(({ value }) => value)];
  return new Plot(options, data, frame);
}
