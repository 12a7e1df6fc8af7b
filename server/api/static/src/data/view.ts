// Which view is open, kept in the address so that reloading and the back button work.
import { signal } from "@preact/signals";

export const VIEWS = ["paint", "gallery", "queue", "machine"] as const;
export type View = (typeof VIEWS)[number];

function current(): View {
  const name = location.hash.slice(1) as View;
  return VIEWS.includes(name) ? name : "paint";
}

export const view = signal<View>(current());

export function open(name: View): void {
  if (view.value !== name) history.pushState(null, "", `#${name}`);
  view.value = name;
}

addEventListener("popstate", () => {
  view.value = current();
});
