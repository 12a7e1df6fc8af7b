// Icons as lines on a square of 24, so that they need no font.

const PATHS = {
  brush: "M4 20c3 0 4-1 4-3a2 2 0 0 0-4 0c0 1-1 2-2 2 0 1 1 1 2 1zM9 15 20 4l1 1-11 11z",
  eraser: "m5 15 8-9 6 5-8 9H8zM8 20h11M9 10l6 5",
  undo: "M4 9h10a5 5 0 0 1 0 10H9M8 5 4 9l4 4",
  invert: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  dice: "M4 4h16v16H4zM8 8h.01M16 8h.01M12 12h.01M8 16h.01M16 16h.01",
  swap: "M4 8h14l-4-4M20 16H6l4 4",
  close: "m5 5 14 14M19 5 5 19",
  minus: "M5 12h14",
  plus: "M5 12h14M12 5v14",
  compare: "M4 5h16v14H4zM12 3v18",
  previous: "m15 5-7 7 7 7",
  next: "m9 5 7 7-7 7",
  star: "m12 3 2.7 6 6.3.6-4.8 4.2 1.5 6.4L12 16.8 6.3 20.2l1.5-6.4L3 9.6 9.3 9z",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon(props: { name: IconName }) {
  return (
    <svg viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
      <path d={PATHS[props.name]} />
    </svg>
  );
}
