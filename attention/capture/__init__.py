"""One forward pass of any module -> Trace.

tracing    `trace` and `Tracer`: check what is given, run the pass
plan       the calls of a pass, and what was noted of each
replay     a mode that repeats a plan, and follows where the pass differs
mode       sees every torch function of the pass
stack      which modules are running
notes      what is known of each tensor
calls      one call, and one name for all its spellings
rules      how notes pass through operations that compute
shapes     how they pass through reshapes, permutations and slices
axes       what the axes of a tensor mean
products   which calls multiply two tensors, in all their spellings
verdicts   which products are a gate's, and why others are not
gates      the gates found; edits
steps      the inner steps of SE and CBAM
"""

from attention.capture.gates import TraceError
from attention.capture.tracing import Tracer, trace

__all__ = ["TraceError", "Tracer", "trace"]
