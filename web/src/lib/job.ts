/** Following a job on the server to its end. */
import { address, api, type Id, type Job } from "./api";

/** How often a job is asked for when events can't be had, in milliseconds. */
const askEvery = 1000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Calls `onChange` whenever the job changes, and resolves with its final state. */
export async function follow(id: Id, onChange: (job: Job) => void): Promise<Job> {
  return (await byEvents(id, onChange)) ?? (await byAsking(id, onChange));
}

/** By server-sent events; the browser reconnects by itself. `undefined` if the server refuses them. */
function byEvents(id: Id, onChange: (job: Job) => void): Promise<Job | undefined> {
  return new Promise((resolve) => {
    const events = new EventSource(address(`api/jobs/${id}/events`));
    const end = (job?: Job) => {
      events.close();
      resolve(job);
    };
    const read = (event: Event) => JSON.parse((event as MessageEvent<string>).data) as Job;
    events.addEventListener("progress", (event) => onChange(read(event)));
    events.addEventListener("end", (event) => {
      const job = read(event);
      onChange(job);
      end(job);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) end();
    });
  });
}

async function byAsking(id: Id, onChange: (job: Job) => void): Promise<Job> {
  for (;;) {
    const job = await api.job(id);
    onChange(job);
    if (job.state !== "running") return job;
    await pause(askEvery);
  }
}
