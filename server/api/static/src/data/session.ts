// The API key and what the person has chosen for this device.
import { batch, effect, signal } from "@preact/signals";

const KEY = "hua-key";

/** The API key; empty if none is known. It stays in the tab, or on the device if the person asks for it. */
export const key = signal(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "");
/** Whether the server has refused the last request for want of a key. */
export const needsKey = signal(false);

export function keepKey(value: string, onDevice: boolean): void {
  // In one step: a request without a key would be refused, and ask for a key once more.
  batch(() => {
    forgetKey();
    (onDevice ? localStorage : sessionStorage).setItem(KEY, value);
    key.value = value;
    needsKey.value = false;
  });
}

export function forgetKey(): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  key.value = "";
}

/** A choice that stays on this device, once it is made. */
export function kept<T>(name: string, initial: T) {
  const place = `hua-${name}`;
  const stored = localStorage.getItem(place);
  const choice = signal<T>(stored === null ? initial : (JSON.parse(stored) as T));
  effect(() => {
    const { value } = choice;
    if (value !== initial || localStorage.getItem(place) !== null) localStorage.setItem(place, JSON.stringify(value));
  });
  return choice;
}
