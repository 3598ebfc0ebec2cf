"""Imported before PEFT by oracles that quantise nothing: PEFT imports bitsandbytes where it finds it, and
with it torch's compiler, a fifth of the time until a script begins."""
import sys

sys.modules["bitsandbytes"] = None
