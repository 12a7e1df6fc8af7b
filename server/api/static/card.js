// The card of one task: its state and progress, then its images.
import { ask, follow, local } from "./client.js";

const FINAL = ["succeeded", "failed", "canceled"];
const PATIENCE_MS = 1000;

export class Card {
  constructor(task, again) {
    this.task = task;
    this.again = again;
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.element.dataset.id = task.id;
    this.part(".prompt").textContent = task.params.text ?? task.type;
    this.part(".prompt").title = task.params.text ?? "";
  }

  part(selector) { return this.element.querySelector(selector); }

  show(gallery, where) {
    gallery[where](this.element);
    if (FINAL.includes(this.task.status)) this.finish(this.task);
    else this.live();
    if (where === "prepend") this.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  async live() {
    this.part(".frame").classList.add("waiting");
    const { w, h } = this.task.params;
    if (w && h) this.part(".frame").style.aspectRatio = `${w} / ${h}`;
    this.say("queued");
    this.doings(button("Cancel", () => ask("DELETE", `v1/tasks/${this.task.id}`).catch((error) => this.say(error.message))));
    while (this.element.isConnected) {
      try {
        for await (const { event, data } of follow(`v1/tasks/${this.task.id}/events`)) {
          if (FINAL.includes(event)) return this.finish(data);
          this[event]?.(data);
        }
      } catch (error) {
        if (error.status === 404) return this.say(error.message);
        this.say("connection lost, trying to reconnect");
      }
      await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    }
  }

  queued({ position, reason }) {
    if (reason) this.say(reason);
    else this.say(position > 1 ? `number ${position} in the queue` : "next in the queue");
  }
  running() { this.say("starting"); }

  progress({ step, steps }) {
    this.part("progress").value = step / steps;
    this.say(`step ${step} of ${steps}`);
  }

  preview({ jpeg }) {
    const image = this.part(".preview");
    image.src = `data:image/jpeg;base64,${jpeg}`;
    image.hidden = false;
  }

  finish(task) {
    const frame = this.part(".frame");
    frame.classList.remove("waiting");
    frame.style.aspectRatio = "";
    this.part("progress").hidden = true;
    this.part(".preview").hidden = true;
    this.element.classList.add(task.status);
    this.say(task.status === "canceled" ? "canceled" : task.error?.message ?? "");
    this.part(".state").hidden = task.status === "succeeded";
    const pictures = [...task.images, ...task.hints];
    frame.append(...pictures.map((image, index) => picture(image, `${task.params.text ?? task.type} (${index + 1})`)));
    if (task.answer) frame.append(words(task.answer));
    this.part(".facts").textContent = facts(task);
    this.doings(
      ...task.images.filter(({ safe }) => safe).map((image, index) => download(image, task.images.length > 1 ? `Download ${index + 1}` : "Download")),
      button("Edit and repeat", () => this.again(task)),
    );
    this.part("pre").textContent = JSON.stringify({ type: task.type, params: task.params }, null, 2);
    this.part("details").hidden = false;
  }

  say(words) { this.part(".state").textContent = words; }
  doings(...elements) { this.part(".doings").replaceChildren(...elements); }
}

function facts(task) {
  const [image] = task.images;
  const seconds = task.started_at && (new Date(task.finished_at) - new Date(task.started_at)) / 1000;
  return [
    image && `${image.width} × ${image.height}`,
    image && image.seed !== null && `seed ${task.images.map(({ seed }) => seed).join(", ")}`,
    task.model,
    seconds && `${seconds.toFixed(1)} s`,
  ].filter(Boolean).join(" · ");
}

function picture(image, words) {
  if (!image.safe) return withheld(image);
  const element = new Image(image.width, image.height);
  element.alt = words;
  element.src = local(image.url);
  element.addEventListener("error", () => element.replaceWith("This image has expired."));
  return element;
}

// The answer of a task that returns data: a single text as it is, anything else as JSON.
function words(answer) {
  const element = document.createElement("p");
  const [only, ...more] = Object.values(answer);
  element.textContent = more.length === 0 && typeof only === "string" ? only : JSON.stringify(answer, null, 1);
  return element;
}

function withheld(image) {
  const element = document.createElement("p");
  element.textContent = `This image is withheld: ${image.reason}`;
  return element;
}

function download(image, words) {
  const link = document.createElement("a");
  link.href = local(image.url);
  link.download = "";
  link.textContent = words;
  return link;
}

function button(words, work) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = words;
  element.addEventListener("click", work);
  return element;
}
