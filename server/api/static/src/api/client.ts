// Requests to the server. Paths are relative, so that the page works behind any prefix.
import { key, needsKey } from "../data/session";

/** What the server refused: its status, a sentence, the parameter that is wrong, and a code for programs. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly field = "",
    readonly retryAfterS = 0,
    readonly code = "",
  ) {
    super(message);
  }
}

export const UNREACHABLE = 0;
/** A server that takes longer to answer a question is as good as away. */
const PATIENCE_MS = 30_000;

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const used = key.value;
  const headers: Record<string, string> = used ? { Authorization: `Bearer ${used}` } : {};
  let content: BodyInit | null = null;
  if (body instanceof Blob) content = body;
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    content = JSON.stringify(body);
  }
  const patience = signal ?? (method === "GET" ? AbortSignal.timeout(PATIENCE_MS) : null);
  const response = await fetch(path, { method, headers, body: content, signal: patience }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(UNREACHABLE, "");
  });
  if (response.ok) return response;
  if (response.status === 401 && used === key.value) needsKey.value = true;
  const reply: { error?: { message?: string; field?: string; code?: string } } = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After") ?? 0);
  throw new Refusal(response.status, reply.error?.message ?? "", reply.error?.field ?? "", retryAfter, reply.error?.code ?? "");
}

export async function ask<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
  return (await send(method, path, body)).json() as Promise<T>;
}

export async function fetchBlob(path: string): Promise<Blob> {
  return (await send("GET", path)).blob();
}

/** The picture behind a link. The server sends it itself: scripts may not follow a link to the bucket. */
export function fetchResult(url: string): Promise<Blob> {
  return fetchBlob(`${local(url)}&redirect=false`);
}

export interface ServerEvent {
  event: string;
  data: unknown;
}

/** The events of a stream. EventSource cannot be used: it sends no key. */
export async function* follow(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const response = await send("GET", path, undefined, signal);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (pending + value).split("\n\n");
    pending = blocks.pop() ?? "";
    for (const block of blocks) {
      const part = (name: string) =>
        block
          .split("\n")
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join("\n");
      if (part("event")) yield { event: part("event"), data: JSON.parse(part("data")) };
    }
  }
}

/** Links have the public address of the server; the page uses the address that it was loaded from. */
export function local(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return new URL(url, location.href).origin === location.origin ? url : pathname + search;
}
