// Which view is open, kept in the address so that reloading and the back button work.
import { signal } from "@preact/signals";
import { notice } from "./notice";

export const VIEWS = ["paint", "tools", "gallery", "queue", "machine"] as const;
export type View = (typeof VIEWS)[number];

function current(): View {
  const name = location.hash.slice(1) as View;
  return VIEWS.includes(name) ? name : "paint";
}

export const view = signal<View>(current());

// What went wrong in one view is of no use in the next.
view.subscribe(() => {
  notice.value = null;
});

export function open(name: View): void {
  if (view.value !== name) history.pushState(null, "", `#${name}`);
  view.value = name;
}

addEventListener("popstate", () => {
  view.value = current();
});
