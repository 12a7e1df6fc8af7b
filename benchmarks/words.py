"""What an audit of words costs: `python -m benchmarks.words`. No server is needed.

It reads lists of random words, and searches prompts in them. `held up` is the longest time for which the event loop did
nothing else meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import string
import tempfile
import time
from pathlib import Path

from server.audit.moderation_kinds import Subject
from server.audit.text_audit import TextAudit
from server.audit.word_lists import folding, read_word_lists
from server.settings import Settings
from server.task import AuditTerms

HAN = [chr(code) for code in range(0x4E00, 0x8000)]
TERMS = AuditTerms(text="report")
TICK_S = 0.001


def word(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return "".join(chance.choices(HAN, k=chance.randint(2, 5)))
    return "".join(chance.choices(string.ascii_lowercase, k=chance.randint(4, 12)))


def prompts(chance: random.Random) -> dict[str, str]:
    english = " ".join("".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9))) for _ in range(4000))
    return {
        "75 English": "a photo of a red house on the grass by the sea, masterpiece, sharp focus, 8k",
        "20,000 English": english[:20_000],
        "20,000 Chinese": "".join(chance.choices([*HAN, *["，"] * 500], k=20_000)),
        "20,000 in disguise": "".join(chance.choices(f"{string.ascii_letters}0135 .*@色情", k=20_000)),
    }


async def held_up(audit: TextAudit, prompt: str) -> tuple[float, float]:
    """Seconds of an audit, and the longest pause between two turns of the event loop."""
    longest, ends = 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal longest
        while not ends.is_set():
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            longest = max(longest, time.perf_counter() - began - TICK_S)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(5 * TICK_S)
    began = time.perf_counter()
    await audit.audit({"text": prompt}, TERMS, Subject("1", "a", "txt2img.sd"))
    seconds = time.perf_counter() - began
    ends.set()
    await ticking
    return seconds, longest


async def measure(folder: Path) -> None:
    audit, chance = TextAudit(Settings(words=folder)), random.Random(1)
    await audit.load()
    for name, prompt in prompts(chance).items():
        runs = [await held_up(audit, prompt) for _ in range(20)]
        seconds, longest = (statistics.median(each) for each in zip(*runs, strict=True))
        print(f"  {name:20} {seconds * 1000:7.2f} ms, held up {longest * 1000:5.2f} ms")


def main() -> None:
    began = time.perf_counter()
    folding()
    print(f"Traditional characters read in {time.perf_counter() - began:.2f} s, once a process")
    for count in (20_000, 100_000):
        chance = random.Random(count)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "words.txt").write_text("\n".join(word(chance) for _ in range(count)), encoding="utf-8")
            began = time.process_time()
            read_word_lists(folder)
            print(f"{count:,} words: read in {time.process_time() - began:.2f} s of CPU")
            asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
