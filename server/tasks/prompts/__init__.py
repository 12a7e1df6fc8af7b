"""The prompts of a task before it is accepted: audited, styled, chosen, written, translated."""
