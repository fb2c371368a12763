"""Experts of routing: patch as ONNX nodes, for export_onnx.py.

Each token goes to k experts of its own, of which each takes at most `capacity`
tokens. There are several ways to say so, and none is the fastest everywhere:

    split    the chosen (token, expert) pairs are sorted by expert, their tokens
             gathered at once and split into a part an expert; the experts'
             outputs are concatenated and gathered back into the tokens' order
    split-if the same, each expert within an If that an empty part does not enter
    scatter  each expert finds its tokens (NonZero), and within an If that runs
             where it has some, gathers them and adds what it makes of them to
             the tokens' rows (ScatterND)
    dense    each expert computes all tokens, and a gate of 0 masks those that
             are not its own: what naive exporters do, E / k times the work
"""

import numpy as np
from onnx import TensorProto, helper

FORMS = ("split", "split-if", "scatter", "dense")


class PatchExperts:
    """The experts of one block, on `x` [1, tokens, width] in `exporter`'s graph."""

    def __init__(self, exporter, x, prefix):
        self.exporter, self.prefix = exporter, prefix
        self.g, self.spec = exporter.graph, exporter.spec
        flat = self.g.integers(self.spec.tokens, self.spec.hidden)
        self.x = self.g.node("Reshape", x, flat)
        # All first choices, then all second choices, and so on, in the order in
        # which they are served: expert, gate and token of each, [k * tokens].
        self.which = self.gates = self.token = None
        self.route()

    def route(self):
        g, spec = self.g, self.spec
        logits = g.linear(self.x, *self.exporter.pair(self.prefix + ".router"))
        gates = g.node("Softmax", logits, axis=-1)
        # The order of the softmax is that of the logits; ties go to the lower
        # index, which ONNX's TopK promises too.
        gates, which = g.node("TopK", gates, g.integers(spec.top_k), outputs=2)
        if spec.normalize:
            gates = g.node("Div", gates, g.node("ReduceSum", gates, g.integers(1)))
        is_limited = spec.capacity < spec.tokens
        token = None
        if spec.batch_priority and is_limited:
            token = self.priority(logits)
            which, gates = (g.node("Gather", v, token) for v in (which, gates))
        flat = g.integers(-1)

        def by_rank(values):
            if spec.top_k > 1:
                values = g.node("Transpose", values, perm=[1, 0])
            return g.node("Reshape", values, flat)

        self.which, self.gates = by_rank(which), by_rank(gates)
        if token is None:
            self.token = g.integers(*np.tile(np.arange(spec.tokens), spec.top_k))
        else:
            self.token = g.node("Tile", token, g.integers(spec.top_k))
        if is_limited:
            self.limit()

    def priority(self, logits):
        """[tokens]: those of the largest softmax probability first. It saturates
        at 1, so they are compared by the sum of the others' terms."""
        g, spec = self.g, self.spec
        largest, first = g.node("TopK", logits, g.integers(1), outputs=2)
        terms = g.node("Exp", g.node("Sub", logits, largest))
        others = g.node("Equal", first, g.integers(*range(spec.experts)))
        others = g.node("Cast", g.node("Not", others), to=TensorProto.FLOAT)
        others = g.node("ReduceSum", g.node("Mul", terms, others), g.integers(1))
        others = g.node("Reshape", others, g.integers(-1))
        count = g.integers(spec.tokens)
        return g.node("TopK", others, count, largest=0, outputs=2)[1]

    def chosen(self):
        """[k * tokens, E]: 1 where a choice is that expert, else 0."""
        g = self.g
        column = g.node("Unsqueeze", self.which, g.integers(1))
        equal = g.node("Equal", column, g.integers(*range(self.spec.experts)))
        return g.node("Cast", equal, to=TensorProto.FLOAT)

    def limit(self):
        """Choices that come too late are of an expert that does not exist."""
        g, spec = self.g, self.spec
        chosen = self.chosen()
        # Exact in f32: a tensor has less than 2**24 tokens.
        place = g.node("CumSum", chosen, g.constant(0, np.int64))
        place = g.node("ReduceSum", g.node("Mul", place, chosen), g.integers(1))
        place = g.node("Reshape", place, g.integers(-1))
        fits = g.node("LessOrEqual", place, g.constant(spec.capacity))
        self.which = g.node("Where", fits, self.which, g.integers(spec.experts))

    def expert(self, index, x, graph=None):
        return self.exporter.mlp(x, f"{self.prefix}.experts.{index}", graph)

    def where_any(self, count, then, otherwise):
        """If `count` [1] is not 0, what `then` makes in a graph, else a value."""
        g = self.g
        branches = []
        for build in (then, lambda graph: otherwise):
            branch = g.branch()
            result = branch.node("Identity", build(branch))
            value = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
            branches.append(
                helper.make_graph(branch.nodes, g.name("branch"), [], [value])
            )
        is_any = g.node("Greater", count, g.integers(0))
        return g.node("If", is_any, then_branch=branches[0], else_branch=branches[1])

    def split(self, empty_too):
        g, spec = self.g, self.spec
        pairs = spec.top_k * spec.tokens
        count = g.integers(pairs)
        order = g.node("TopK", self.which, count, largest=0, outputs=2)[1]
        x = g.node("Gather", self.x, g.node("Gather", self.token, order))
        sizes = g.node("ReduceSum", self.chosen(), g.integers(0), keepdims=0)
        sizes = g.node("Cast", sizes, to=TensorProto.INT64)
        parts = spec.experts
        all_sizes = sizes
        if spec.capacity < spec.tokens:
            # A last part of those that no expert takes.
            taken = g.node("ReduceSum", sizes, keepdims=1)
            rest = g.node("Sub", count, taken)
            all_sizes = g.node("Concat", sizes, rest, axis=0)
            parts += 1
        x = g.node("Split", x, all_sizes, axis=0, outputs=parts)
        x = [x] if parts == 1 else x
        outputs = []
        for e in range(spec.experts):
            if empty_too:
                outputs.append(self.expert(e, x[e]))
                continue
            size = g.node("Gather", sizes, g.integers(e))
            outputs.append(
                self.where_any(size, lambda b, e=e: self.expert(e, x[e], b), x[e])
            )
        for part in x[spec.experts :]:
            outputs.append(g.node("Mul", part, g.constant(0.0)))
        y = g.node("Concat", *outputs, axis=0)
        # Of the pairs in their first order, each one's place in the sorted one.
        places = g.integers(*range(pairs))
        if spec.batch_priority and spec.capacity < spec.tokens:
            rank = g.integers(*np.repeat(np.arange(spec.top_k), spec.tokens))
            first = g.node("Mul", rank, g.integers(spec.tokens))
            first = g.node("Add", first, self.token)
            gates = g.node("ScatterElements", self.gates, first, self.gates)
            order = g.node("Gather", first, order)
        else:
            gates = self.gates
        inverse = g.node("ScatterElements", places, order, places)
        y = g.node("Gather", y, inverse)
        y = g.node("Mul", y, g.node("Unsqueeze", gates, g.integers(1)))
        if spec.top_k == 1:
            return y
        shape = g.integers(spec.top_k, spec.tokens, spec.hidden)
        y = g.node("Reshape", y, shape)
        return g.node("ReduceSum", y, g.integers(0), keepdims=0)

    def scatter(self):
        g, spec = self.g, self.spec
        total = g.constant(np.zeros((spec.tokens, spec.hidden)))
        for e in range(spec.experts):
            own = g.node("NonZero", g.node("Equal", self.which, g.integers(e)))
            own = g.node("Reshape", own, g.integers(-1))

            def add(b, e=e, own=own, total=total):
                token = b.node("Gather", self.token, own)
                y = self.expert(e, b.node("Gather", self.x, token), b)
                gate = b.node("Gather", self.gates, own)
                y = b.node("Mul", y, b.node("Unsqueeze", gate, b.integers(1)))
                token = b.node("Unsqueeze", token, b.integers(1))
                return b.node("ScatterND", total, token, y, reduction="add")

            total = self.where_any(g.node("Shape", own), add, total)
        return total

    def dense(self):
        g, spec = self.g, self.spec
        gates = g.node("Unsqueeze", self.gates, g.integers(1))
        gates = g.node("Mul", self.chosen(), gates)
        if spec.batch_priority and spec.capacity < spec.tokens:
            token = g.node("Unsqueeze", self.token, g.integers(1))
            none = g.constant(np.zeros((spec.tokens, spec.experts)))
            gates = g.node("ScatterND", none, token, gates, reduction="add")
        elif spec.top_k > 1:
            shape = g.integers(spec.top_k, spec.tokens, spec.experts)
            gates = g.node("Reshape", gates, shape)
            gates = g.node("ReduceSum", gates, g.integers(0), keepdims=0)
        total = None
        for e in range(spec.experts):
            gate = g.node("Gather", gates, g.integers(e), axis=1)
            y = g.node("Mul", self.expert(e, self.x), gate)
            total = y if total is None else g.node("Add", total, y)
        return total

    def build(self, form):
        """[1, tokens, width]"""
        g, spec = self.g, self.spec
        if form == "scatter":
            y = self.scatter()
        elif form == "dense":
            y = self.dense()
        else:
            y = self.split(form == "split")
        return g.node("Reshape", y, g.integers(1, spec.tokens, spec.hidden))
