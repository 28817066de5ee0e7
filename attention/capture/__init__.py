"""One forward pass of any module -> Trace.

tracing      `trace` and `Tracer`: check what is given, run the pass, say what was seen
replay       the plan of a pass, and the mode that repeats it and follows the pass where it differs
discovery    the mode that sees every torch function of a pass
calls        one call, one name for all its spellings, and what is known of each tensor
propagation  how that passes through operations that compute: a rule a family
moves        how it passes through those that only move numbers
axes         what the axes of a tensor mean
matching     which calls multiply two tensors, which of these products apply a gate, and why others do not
gates        the gates found, the modules that apply them, and edits
steps        the inner steps of SE and CBAM
"""

from attention.capture.gates import TraceError
from attention.capture.tracing import Tracer, coverage, trace
