"""What an adapter does to one matrix of the base.

LoRA (arXiv:2106.09685): W + s·B·A. DoRA (arXiv:2402.09353): V = W + s·B·A, each row
scaled to the length that was learned, m · V / |V|.

The product and the row lengths are computed by torch, as PEFT does; numpy's differ in
the last bit.
"""

from dataclasses import dataclass

from medconvert.checkpoint import Floats, Rows


@dataclass(frozen=True, slots=True)
class Update:
    """What the adapter does to one matrix of the base."""

    a: Floats
    """(r, columns)"""
    b: Floats
    """(rows, r)"""
    scale: float
    magnitude: Floats | None
    """Row lengths that DoRA learned, (rows,)."""

    def factors(self) -> tuple[Floats, Floats]:
        """A and B of what is added to the base."""
        return self.a, self.b

    def merge(self, weights: Floats, rows: Rows) -> Floats:
        """The merged rows.

        Args:
            weights: those rows of the base, (len(rows), columns); may be overwritten.
            rows: their numbers.
        """
        import torch

        a, b = self.factors()
        merged = torch.from_numpy(weights)
        merged += torch.from_numpy(b[rows]) @ torch.from_numpy(a) * self.scale
        if self.magnitude is not None:
            factor = torch.from_numpy(self.magnitude[rows]) / torch.linalg.norm(merged, dim=1)
            merged = factor.view(-1, 1) * merged
        result: Floats = merged.numpy()
        return result
