// Downloads several pictures as one archive.
import { useState } from "preact/hooks";
import { fetchResult } from "../api/client";
import type { Task, TaskImage } from "../api/types";
import { guarded } from "../data/notice";
import { t } from "../i18n";
import { fileName, isThere } from "./results";
import { save } from "./save";
import { zip, type ZipFile } from "./zip";

interface Named {
  name: string;
  image: TaskImage;
}

/** The pictures of the tasks that can be downloaded; no two have the same name. */
function named(tasks: readonly Task[]): Named[] {
  const used = new Set<string>();
  return tasks.flatMap((task) =>
    (task.images ?? []).flatMap((image, index) => {
      if (!isThere(image)) return [];
      const name = fileName(task, image, index);
      const place = name.lastIndexOf(".");
      let free = name;
      for (let copy = 2; used.has(free); copy++) free = `${name.slice(0, place)}-${copy}${name.slice(place)}`;
      used.add(free);
      return [{ name: free, image }];
    }),
  );
}

export function ZipButton(props: { tasks: readonly Task[] }) {
  const [done, setDone] = useState<number | null>(null);
  const pictures = named(props.tasks);
  if (pictures.length < 2) return null;
  const download = async () => {
    const files: ZipFile[] = [];
    setDone(0);
    await guarded(async () => {
      for (const { name, image } of pictures) {
        files.push({ name, data: new Uint8Array(await (await fetchResult(image.url)).arrayBuffer()) });
        setDone(files.length);
      }
      save(zip(files), `hua-${files.length}.zip`);
    });
    setDone(null);
  };
  return (
    <button type="button" disabled={done !== null} onClick={() => void download()}>
      {done === null ? t("downloadZip", { count: pictures.length }) : t("packed", { done, count: pictures.length })}
    </button>
  );
}
