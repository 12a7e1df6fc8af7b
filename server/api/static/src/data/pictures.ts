// Pictures that the person has chosen, dropped, pasted or painted; each is uploaded once, when a task needs it.
import { ask, fetchBlob, fetchResult } from "../api/client";

/** A picture that can be an input of a task. */
export interface Picture {
  blob: Blob;
  /** Address for `<img>`; it lives as long as the page. */
  shown: string;
  width: number;
  height: number;
  name: string;
  /** The result of a task that it is. */
  result?: Result;
}

/** A mask that was painted over a picture: opaque where something is to be painted. */
export interface Mask {
  of: Picture;
  blob: Promise<Blob>;
}

/** How a param names a picture that a task has made: nothing is uploaded. */
export interface Result {
  task: string;
  index: number;
}

const uploads = new WeakMap<Blob, Promise<string>>();

export async function readPicture(blob: Blob, name = "picture.png"): Promise<Picture> {
  const shown = URL.createObjectURL(blob);
  const image = await loadImage(shown);
  return { blob, shown, width: image.naturalWidth, height: image.naturalHeight, name };
}

/** The picture behind a link of the server: a result becomes an input. */
export async function pictureOfLink(url: string, name: string, result: Result): Promise<Picture> {
  return { ...(await readPicture(await fetchResult(url), name)), result };
}

export const uploadPath = (id: string) => `v1/files/${id}`;

/** A picture that was uploaded, perhaps on another day or by another program. */
export async function pictureOfUpload(id: string): Promise<Picture> {
  const picture = await readPicture(await fetchBlob(uploadPath(id)));
  uploads.set(picture.blob, Promise.resolve(id));
  return picture;
}

/** What a param has for the picture. */
export async function pictureParam(picture: Picture): Promise<string | Result> {
  return picture.result ?? uploaded(picture.blob);
}

/** The id of the upload. A failed upload is tried again the next time. */
export function uploaded(picture: Blob): Promise<string> {
  const known = uploads.get(picture);
  if (known) return known;
  const upload = ask<{ id: string }>("POST", "v1/files", picture).then(({ id }) => id);
  uploads.set(picture, upload);
  upload.catch(() => uploads.delete(picture));
  return upload;
}

export function loadImage(address: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("not a picture"));
    image.src = address;
  });
}

/** The first picture among files or pasted items; null if there is none. */
export function firstPicture(data: DataTransfer | null): File | null {
  return [...(data?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? null;
}
