// The page: the form of a task, its submission, and the cards of tasks.
import { ask, forgetKey, keepKey, Refusal } from "./client.js";
import { Card } from "./card.js";
import { fields, fillable, filled, remember, updateModels } from "./fields.js";
import { watchServer } from "./live.js";

const KEPT = "hua-pictures";
const MOST_KEPT = 24;
const GROUPS = ["txt2img", "img2img", "upscale", "control", "control_new", "img2txt", "txt2txt"];
const byId = (id) => document.getElementById(id);
let pipelines = [];
const models = [];

function chosen() {
  return pipelines.find((pipeline) => pipeline.name === byId("type").value);
}

function showFields() {
  const { often, seldom, images, asks } = fields(chosen(), models);
  byId("often").replaceChildren(...often);
  byId("seldom").replaceChildren(...seldom);
  byId("pictures-in").replaceChildren(...images);
  if (asks) document.querySelector("#wish details").open = true;
  for (const part of document.querySelectorAll("#text, [for=text]")) part.hidden = !takesText();
  byId("text").required = chosen().params.required?.includes("text") ?? false;
}

// Groups task types by the first word of their names: generation first, then editing.
function grouped(pipelines) {
  const groups = new Map(GROUPS.map((words) => [words, []]));
  for (const pipeline of pipelines) {
    const kind = pipeline.name.split(".")[0];
    if (!groups.has(kind)) groups.set(kind, []);
    groups.get(kind).push(new Option(pipeline.title, pipeline.name));
  }
  return [...groups].filter(([, options]) => options.length).map(([label, options]) => {
    const group = Object.assign(document.createElement("optgroup"), { label });
    group.append(...options);
    return group;
  });
}

function takesText() {
  return "text" in chosen().params.properties;
}

async function load() {
  const [types] = await Promise.all([ask("GET", "v1/pipelines"), loadModels()]);
  pipelines = types.filter(fillable);
  byId("type").replaceChildren(...grouped(pipelines));
  const first = pipelines.find((pipeline) => pipeline.name === "txt2img.sd");
  if (first) byId("type").value = first.name;
  showFields();
  await showKept();
}

async function loadModels() {
  models.splice(0, Infinity, ...(await ask("GET", "v1/models")).data);
}

async function showKept() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  for (const id of kept) {
    const task = await ask("GET", `v1/tasks/${id}`).catch(() => null);
    if (task && !byId("gallery").querySelector(`[data-id="${id}"]`)) new Card(task, again).show(byId("gallery"), "append");
  }
}

function keep(id) {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  sessionStorage.setItem(KEPT, JSON.stringify([id, ...kept].slice(0, MOST_KEPT)));
}

// Fills the form with the params of a task; a file input cannot be filled, so the id of the upload is remembered.
function again({ type, params }) {
  byId("type").value = type;
  showFields();
  byId("text").value = params.text ?? "";
  for (const input of document.querySelectorAll("#wish [data-param]")) {
    const value = params[input.dataset.param];
    if (input.type === "checkbox") input.checked = Boolean(value);
    else if (input.type === "file") remember(input, value);
    else if (value !== undefined && value !== null) input.value = value;
  }
  document.querySelector("#wish details").open = true;
  byId("text").focus();
}

async function guarded(work) {
  byId("notice").textContent = "";
  try {
    await work();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) askForKey();
    else byId("notice").textContent = error.message;
  }
}

function askForKey() {
  byId("refused").hidden = !forgetKey();
  byId("key").hidden = false;
  byId("secret").value = "";
  byId("secret").focus();
}

byId("type").addEventListener("change", showFields);

byId("wish").addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter;
  button.disabled = true;
  guarded(async () => {
    const text = takesText() ? { text: byId("text").value } : {};
    const params = { ...text, ...(await filled(byId("wish"))) };
    const task = await ask("POST", "v1/tasks", { type: byId("type").value, params });
    keep(task.id);
    new Card(task, again).show(byId("gallery"), "prepend");
  }).finally(() => { button.disabled = false; });
});

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("secret").value.trim());
  byId("key").hidden = true;
  guarded(load);
});

byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("wish").requestSubmit();
});

// Models may have come while the page was not looked at.
document.addEventListener("visibilitychange", async () => {
  if (document.hidden || !pipelines.length) return;
  await loadModels().then(() => updateModels(byId("wish"), chosen(), models), () => {});
});

guarded(load);
watchServer(byId("live"));
