// The line at the bottom of the page: queued and running tasks, and the workers with their models.
import { ask } from "./client.js";

const PAUSE_MS = 1500;

export async function watchServer(list) {
  for (;;) {
    if (!document.hidden) {
      const facts = await ask("GET", "v1/overview").then(described, (error) => [["server", error.status === 401 ? "waiting for a key" : error.message]]);
      list.replaceChildren(...facts.map(([term, words]) => entry(term, words)));
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function described({ queued, running, workers }) {
  const said = workers.map(({ name, device, state, resident }) => {
    const models = resident.length ? ` with ${resident.join(", ")}` : "";
    return [name, `${device}, ${state}${models}`];
  });
  return [["queued", queued], ["running", running], ...(said.length ? said : [["workers", "none yet"]])];
}

function entry(term, words) {
  const row = document.createElement("div");
  const name = Object.assign(document.createElement("dt"), { textContent: term });
  row.append(name, Object.assign(document.createElement("dd"), { textContent: words }));
  return row;
}
