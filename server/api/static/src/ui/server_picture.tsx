// A picture of the server that needs the key, so that an `<img>` cannot load it by its address.
import { useEffect, useState } from "preact/hooks";
import { fetchBlob, local } from "../api/client";

export function ServerPicture(props: { address: string; initials: string }) {
  const shown = useServerPicture(props.address);
  return shown ? <img src={shown} alt="" /> : <span class="no-picture" aria-hidden="true">{props.initials}</span>;
}

/** An address for `<img>`; empty until the picture is there, and null if it cannot be had. */
export function useServerPicture(address: string): string | null {
  const [shown, setShown] = useState<string | null>("");
  useEffect(() => {
    let object = "";
    let left = false;
    setShown("");
    if (address) {
      fetchBlob(local(address).replace(/^\//, "")).then(
        (blob) => left || setShown((object = URL.createObjectURL(blob))),
        () => left || setShown(null),
      );
    }
    return () => {
      left = true;
      URL.revokeObjectURL(object);
    };
  }, [address]);
  return shown;
}
