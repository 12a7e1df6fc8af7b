// Draws a grid of pictures with its labels into one picture.
import { fetchResult } from "../api/client";
import type { TaskImage } from "../api/types";
import { isThere } from "../ui/results";

const GAP = 8;
/** Browsers draw no larger canvas. */
const LARGEST_SIDE = 16_000;

export async function drawGrid(across: readonly string[], down: readonly string[], cells: readonly (readonly (TaskImage | null)[])[]): Promise<Blob> {
  const images = await Promise.all(cells.map((row) => Promise.all(row.map(bitmapOf))));
  const all = images.flat().filter((image) => image !== null);
  const width = Math.max(1, ...all.map((image) => image.width));
  const height = Math.max(1, ...all.map((image) => image.height));
  const letters = Math.max(10, Math.round(width / 16));
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d")!;
  pen.font = `${letters}px system-ui, sans-serif`;
  const left = Math.ceil(Math.max(0, ...down.map((label) => pen.measureText(label).width))) + 2 * GAP;
  const top = letters + 2 * GAP;
  const sides = [left + across.length * (width + GAP), top + down.length * (height + GAP)] as const;
  const scale = Math.min(1, LARGEST_SIDE / Math.max(...sides));
  [canvas.width, canvas.height] = [Math.ceil(sides[0] * scale), Math.ceil(sides[1] * scale)];
  pen.scale(scale, scale);
  pen.fillStyle = "white";
  pen.fillRect(0, 0, ...sides);
  pen.fillStyle = "black";
  pen.font = `${letters}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  for (const [column, label] of across.entries()) pen.fillText(label, left + column * (width + GAP) + width / 2, top / 2, width);
  pen.textAlign = "left";
  for (const [row, label] of down.entries()) {
    pen.fillText(label, GAP, top + row * (height + GAP) + height / 2);
    for (const [column, image] of images[row]!.entries()) if (image) pen.drawImage(image, left + column * (width + GAP), top + row * (height + GAP));
  }
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
}

async function bitmapOf(image: TaskImage | null): Promise<ImageBitmap | null> {
  return image && isThere(image) ? createImageBitmap(await fetchResult(image.url)) : null;
}
