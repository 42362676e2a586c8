//! Floor 0: the loops worth vectors, chosen at run time, each with a scalar oracle.
