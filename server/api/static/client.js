// Requests to the server. Paths are relative, so that the page works behind any prefix.
const KEY = "hua-key";

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function keepKey(key) { sessionStorage.setItem(KEY, key); }

// Returns whether there was a key.
export function forgetKey() {
  const had = sessionStorage.getItem(KEY) !== null;
  sessionStorage.removeItem(KEY);
  return had;
}

async function send(method, path, body) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (body !== undefined && !(body instanceof Blob)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const response = await fetch(path, { method, headers, body }).catch(() => {
    throw new Refusal(0, "The server does not answer; check that it is running.");
  });
  if (response.ok) return response;
  const reply = await response.json().catch(() => ({}));
  throw new Refusal(response.status, reply.error?.message ?? `The server answered ${response.status}.`);
}

export async function ask(method, path, body) {
  return (await send(method, path, body)).json();
}

// Yields {event, data} of a stream of server-sent events. EventSource cannot be used: it sends no key.
export async function* follow(path) {
  const response = await send("GET", path);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (pending + value).split("\n\n");
    pending = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const part = (name) => lines.filter((line) => line.startsWith(name + ": ")).map((line) => line.slice(name.length + 2)).join("\n");
      if (part("event")) yield { event: part("event"), data: JSON.parse(part("data")) };
    }
  }
}

// Links have the public address of the server; the page uses the address that it was loaded from.
export function local(url) {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}
