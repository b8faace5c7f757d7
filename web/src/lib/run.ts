/** Following a run on the server to its end. */
import { address, api, type Id, type Run } from "./api";

/** How often a run is asked for when events can't be had, in milliseconds. */
const askEvery = 1000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Calls `onChange` whenever the run changes, and resolves with its final state. */
export async function follow(id: Id, onChange: (run: Run) => void): Promise<Run> {
  return (await byEvents(id, onChange)) ?? (await byAsking(id, onChange));
}

/** By server-sent events; the browser reconnects by itself. `undefined` if the server refuses them. */
function byEvents(id: Id, onChange: (run: Run) => void): Promise<Run | undefined> {
  return new Promise((resolve) => {
    const events = new EventSource(address(`api/runs/${id}/events`));
    const end = (run?: Run) => {
      events.close();
      resolve(run);
    };
    const read = (event: Event) => JSON.parse((event as MessageEvent<string>).data) as Run;
    events.addEventListener("progress", (event) => onChange(read(event)));
    events.addEventListener("end", (event) => {
      const run = read(event);
      onChange(run);
      end(run);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) end();
    });
  });
}

async function byAsking(id: Id, onChange: (run: Run) => void): Promise<Run> {
  for (;;) {
    const run = await api.run(id);
    onChange(run);
    if (run.state !== "running") return run;
    await pause(askEvery);
  }
}
