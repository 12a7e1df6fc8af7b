// A picture of the server that needs the key, so that an `<img>` cannot load it by its address.
import { useEffect, useState } from "preact/hooks";
import { fetchBlob, local } from "../api/client";

export function ServerPicture(props: { address: string; initials: string }) {
  const [shown, setShown] = useState("");
  const { address } = props;
  useEffect(() => {
    if (!address) return;
    let object = "";
    fetchBlob(local(address).replace(/^\//, "")).then(
      (blob) => setShown((object = URL.createObjectURL(blob))),
      () => undefined,
    );
    return () => URL.revokeObjectURL(object);
  }, [address]);
  return shown ? <img src={shown} alt="" /> : <span class="no-picture" aria-hidden="true">{props.initials}</span>;
}
