// The sentence about what went wrong last, where screen readers hear it.
import { notice } from "../data/notice";

export function Notice() {
  return <p role="status" class={notice.value ? "notice error" : "notice"}>{notice.value?.message ?? ""}</p>;
}
