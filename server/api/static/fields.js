// Builds a form from the JSON Schema of a task type, so that a new task type needs no change here.
import { ask } from "./client.js";

const OFTEN = ["negative_prompt", "model", "w", "h", "num_steps", "guidance_scale", "sampler", "seed", "num_samples", "fidelity"];
const WORDS = {
  w: "width", h: "height", num_steps: "steps", guidance_scale: "guidance", num_samples: "images",
  url: "image", url2: "second image", mask_url: "mask", hint_url: "hint", bg_url: "background",
};
const ELSEWHERE = ["text", "callback_url"];

export function fields(pipeline, models) {
  const { properties, required = [], $defs = {} } = pipeline.params;
  const made = new Map();
  for (const [name, schema] of Object.entries(properties)) {
    if (ELSEWHERE.includes(name) || pipeline.images.includes(name)) continue;
    const input = name === "model" ? modelChoice(fitting(pipeline, models)) : inputFor(resolved(schema, $defs));
    if (input) made.set(name, labelled(name, schema, input));
  }
  followSide(made, pipeline, models);
  const images = pipeline.images.map((name) => labelled(name, properties[name], fileInput(required.includes(name))));
  const needed = [...made.keys()].filter((name) => required.includes(name) && !OFTEN.includes(name));
  const first = [...OFTEN.filter((name) => made.has(name)), ...needed];
  const often = first.map((name) => made.get(name));
  const seldom = [...made].filter(([name]) => !first.includes(name)).map(([, field]) => field);
  return { often, seldom, images, asks: required.some((name) => made.has(name)) };
}

const fitting = (pipeline, models) => models.filter(({ family, problem }) => pipeline.families.includes(family) && !problem);

// The default size is the one that the model was trained on.
function followSide(made, pipeline, models) {
  const select = made.get("model")?.querySelector("select");
  const sizes = ["w", "h"].flatMap((name) => made.get(name)?.querySelector("input") ?? []);
  if (!select || !sizes.length) return;
  const show = () => {
    const model = fitting(pipeline, models).find(({ name, default: usual }) => (select.value ? name === select.value : usual));
    for (const input of sizes) input.placeholder = model?.side ?? 512;
  };
  select.addEventListener("change", show);
  show();
}

// Puts newer models into a form, and leaves the one that was chosen.
export function updateModels(form, pipeline, models) {
  const select = form.querySelector('select[data-param="model"]');
  if (!select) return;
  const chosen = select.value;
  select.replaceChildren(...modelChoice(fitting(pipeline, models)).children);
  select.value = [...select.options].some((option) => option.value === chosen) ? chosen : "";
  select.dispatchEvent(new Event("change"));
}

// The parameters that have a value; files are uploaded first, and their ids are the values.
export async function filled(form) {
  const params = {};
  for (const input of form.querySelectorAll("[data-param]")) {
    const name = input.dataset.param;
    if (input.type === "file") {
      const known = input.dataset.known;
      if (input.files.length) params[name] = (await ask("POST", "v1/files", input.files[0])).id;
      else if (known) params[name] = known;
    } else if (input.type === "checkbox") {
      if (input.checked !== input.defaultChecked) params[name] = input.checked;
    } else if (input.value !== "") {
      params[name] = input.type === "number" ? Number(input.value) : input.value;
    }
  }
  return params;
}

export function remember(input, known) {
  input.dataset.known = known ?? "";
  if (known) input.required = false;
}

// Whether a form has an input for every required parameter; it has none for lists and objects.
export function fillable({ params: { properties, required = [], $defs = {} }, images }) {
  const asked = (name) => images.includes(name) || name === "text" || inputFor(resolved(properties[name], $defs));
  return required.every(asked);
}

// The schema of an optional value is its type or null; the input is that of the type.
function resolved(schema, $defs) {
  const kinds = (schema.anyOf ?? [schema]).filter((kind) => kind.type !== "null");
  const kind = kinds.length === 1 ? kinds[0] : {};
  return { ...schema, ...(kind.$ref ? $defs[kind.$ref.split("/").pop()] : kind) };
}

function inputFor(schema) {
  if (schema.enum) return choice(schema.enum.map((value) => new Option(value)), schema.default);
  if (schema.type === "boolean") return Object.assign(document.createElement("input"), { type: "checkbox", defaultChecked: schema.default });
  if (schema.type === "integer" || schema.type === "number") return numberInput(schema);
  if (schema.type !== "string") return null;
  if (schema.maxLength > 4096) return Object.assign(document.createElement("textarea"), { rows: 2, placeholder: schema.default ?? "" });
  return Object.assign(document.createElement("input"), { type: "text", placeholder: schema.default ?? "" });
}

function numberInput(schema) {
  const input = Object.assign(document.createElement("input"), { type: "number", placeholder: schema.default ?? "" });
  input.min = schema.minimum ?? schema.exclusiveMinimum ?? "";
  input.max = schema.maximum ?? schema.exclusiveMaximum ?? "";
  input.step = schema.type === "integer" ? 1 : "any";
  return input;
}

function suggestions(input, examples) {
  const list = document.createElement("datalist");
  list.id = `suggested-${input.dataset.param}`;
  list.append(...examples.map((example) => new Option(example)));
  input.setAttribute("list", list.id);
  return list;
}

function fileInput(required) {
  return Object.assign(document.createElement("input"), { type: "file", accept: "image/png,image/jpeg,image/webp", required });
}

function modelChoice(models) {
  return choice(models.map((model) => new Option(model.title || model.name, model.name)), models.find((model) => model.default)?.name);
}

function choice(options, chosen) {
  const select = document.createElement("select");
  select.append(new Option(chosen == null ? "default" : `default (${chosen})`, ""), ...options);
  return select;
}

function labelled(name, schema, input) {
  input.dataset.param = name;
  const label = document.createElement("label");
  label.className = "field";
  if (input.type === "checkbox") label.classList.add("tick");
  if (input.tagName === "TEXTAREA") label.classList.add("wide");
  label.title = schema.description ?? "";
  const words = document.createElement("span");
  words.textContent = WORDS[name] ?? name.replaceAll("_", " ");
  label.append(...(input.type === "checkbox" ? [input, words] : [words, input]));
  if (input.type === "text" && schema.examples) label.append(suggestions(input, schema.examples));
  return label;
}
