"""A GPU that is not there: the engine runs to its end on it, and is refused what a GPU refuses.

Within `PretendedGpu()` a tensor on "cuda" holds an ordinary tensor and says that it lies elsewhere.
Operations that mix it with tensors of the host, take random numbers from a generator of the other
side or hand it to numpy raise as they do on CUDA. Each wait of the host for the device is counted.
bf16 autocast is live. Memory, speed and the kernels themselves are not pretended.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.nn.utils import clip_grad
from torch.optim import optimizer as optimizers
from torch.overrides import TorchFunctionMode
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda:0")
_HOST = torch.device("cpu")
_AUTOCAST = torch.autocast
_GROUPED = clip_grad._group_tensors_by_device_and_dtype
_PROJECT = Path(__file__).parents[3]
_ATEN = torch.ops.aten

# operations whose result the host must know before it can go on
_WAITING = ("nonzero", "masked_select", "_unique2", "unique_dim", "bincount", "equal", "is_nonzero")
_WITHOUT_KERNEL = (
    "detach", "alias", "lift_fresh", "_unsafe_view", "_reshape_alias",
    "empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided",
)  # fmt: skip
_BY_INDEX = ("index", "_unsafe_index", "index_put", "index_put_", "_index_put_impl_")


class OnGpu(torch.Tensor):
    """A tensor that says it is on the GPU. For C++ it is on the host, as autograd needs."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def of(held: torch.Tensor) -> OnGpu:
        """Return a tensor with the values of `held`."""
        made: OnGpu = torch.Tensor._make_wrapper_subclass(
            OnGpu, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=_HOST
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:
        return GPU

    @property
    def is_cuda(self) -> bool:
        return True

    @property
    def is_cpu(self) -> bool:
        return False

    def __repr__(self, **_: Any) -> str:
        return f"OnGpu({tuple(self.shape)}, {self.dtype})"

    def __deepcopy__(self, memo: Any) -> OnGpu:
        return OnGpu.of(self.held.clone())

    def to(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _moved(self, *args, **kwargs)

    def cpu(self, *_: Any, **__: Any) -> torch.Tensor:
        return _moved(self, _HOST)

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy: use Tensor.cpu() first")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _present().run(func, args, kwargs or {})


def _present() -> PretendedGpu:
    if PretendedGpu.present is None:
        raise RuntimeError("a tensor of the pretended GPU has left its block")
    return PretendedGpu.present


def _moved(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Do what `Tensor.to` does, between the host and the pretended GPU."""
    copy = kwargs.pop("copy", False)
    device, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
    here = tensor.device if device is None else device
    if here.type == tensor.device.type and dtype in (None, tensor.dtype) and not copy:
        return tensor
    with _present().moving(here):
        moved: torch.Tensor = _ATEN._to_copy(
            tensor, dtype=dtype, device=GPU if here.type == "cuda" else here
        )
        return moved


class _Generator(torch.Generator):
    """A generator that knows for which side it was made."""

    side: torch.device

    def __new__(cls, device: Any = "cpu") -> _Generator:
        made = super().__new__(cls, _HOST)
        made.side = torch.device(device)
        return made

    @property
    def device(self) -> torch.device:
        return GPU if self.side.type == "cuda" else _HOST


class _Requests(TorchFunctionMode):
    """What is asked in Python, before C++ would look for a GPU: moves, factories, generators."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        asked = kwargs.get("device")
        if asked is not None and torch.device(asked).type == "cuda":
            kwargs["device"] = GPU
        if func is torch.Tensor.to and not isinstance(args[1:2] and args[1], torch.Tensor):
            return _moved(*args, **kwargs)
        if func is torch.Tensor.cuda:
            return _moved(args[0], GPU)
        if func is torch.Tensor.new_tensor and isinstance(args[0], OnGpu):
            return func(args[0].held, *args[1:], **kwargs).to(GPU)
        _check_generator(args, kwargs)
        return func(*args, **kwargs)


def _check_generator(args: Any, kwargs: dict[str, Any]) -> None:
    generators = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Generator)]
    if not generators:
        return
    there = kwargs.get("device")
    on_gpu = any(isinstance(a, OnGpu) for a in args) if there is None else there == GPU
    if (generators[0].device.type == "cuda") != on_gpu:
        wanted = "cuda" if on_gpu else "cpu"
        found = generators[0].device.type
        raise RuntimeError(f"Expected a '{wanted}' device type for generator but found '{found}'")


class PretendedGpu(TorchDispatchMode):
    """A block in which "cuda" is there.

    Parameters
    ----------
    free_bytes : int
        What it says is free of its memory.
    values : bool
        Whether its tensors have any. Without them a step of any size is counted in a second: what
        is read of a tensor is 0.

    Attributes
    ----------
    waits : Counter
        How often the host waited for the device, by the line of the project and the reason.
    operations : Counter
        How often each operation was done there.
    kernels : int
        How many of them take a kernel: those that are no view and no memory asked for.
    """

    present: PretendedGpu | None = None

    def __init__(self, free_bytes: int = 8 << 30, *, values: bool = True) -> None:
        super().__init__()
        self.free_bytes = free_bytes
        self._inside = _HOST if values else torch.device("meta")
        self.kernels = 0
        self.waits: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self._going: torch.device | None = None
        self._pins: list[torch.Tensor] = []

    def __enter__(self) -> PretendedGpu:
        self._stack = ExitStack()
        for where, name, value in self._stand_ins():
            self._stack.enter_context(mock.patch.object(where, name, value))
        for module in (optimizers, _foreach_utils):
            kinds = module._foreach_supported_types
            self._stack.enter_context(
                mock.patch.object(module, "_foreach_supported_types", [*kinds, OnGpu])
            )
        self._replace_parameters(True)
        PretendedGpu.present = self
        super().__enter__()
        self._stack.enter_context(_Requests())
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()
        super().__exit__(*error)
        PretendedGpu.present = None
        self._replace_parameters(False)

    def _stand_ins(self) -> list[tuple[Any, str, Any]]:
        cuda = torch.cuda
        return [
            (cuda, "is_available", lambda: True),
            (cuda, "is_initialized", lambda: True),
            (cuda, "_lazy_init", lambda: None),
            (cuda, "device_count", lambda: 1),
            (cuda, "current_device", lambda: 0),
            (cuda, "get_device_name", lambda *_: "a pretended GPU"),
            (cuda, "mem_get_info", lambda *_: (self.free_bytes, 16 << 30)),
            (cuda, "synchronize", lambda *_: self.wait("synchronize")),
            (cuda, "get_rng_state", _refused("a GPU was asked for its random state")),
            (cuda, "set_rng_state", _refused("a GPU was given a random state")),
            (cuda, "manual_seed_all", _refused("every GPU was seeded")),
            # a build for CUDA would ask its driver, which is not here
            (torch.accelerator, "current_accelerator", lambda *_, **__: None),
            (torch.Tensor, "pin_memory", lambda tensor: self._pinned(tensor)),
            (torch, "Generator", _Generator),
            (torch, "autocast", _autocast),
            # a wrapper cannot be an inference tensor
            (torch.inference_mode, "__enter__", lambda mode: _enter_no_grad(mode)),
            (torch.inference_mode, "__exit__", lambda mode, *error: mode.instead.__exit__(*error)),
            (clip_grad, "_group_tensors_by_device_and_dtype", _grouped),
            (optimizers.Optimizer, "_group_tensors_by_device_and_dtype", staticmethod(_grouped)),
        ]

    def _replace_parameters(self, on: bool) -> None:
        torch._C._set_only_lift_cpu_tensors(on)
        torch.__future__.set_overwrite_module_params_on_conversion(on)

    def _pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        self._pins.append(tensor.clone())
        return self._pins[-1]

    def _is_pinned(self, tensor: torch.Tensor) -> bool:
        place = tensor.untyped_storage().data_ptr()
        return any(pin.untyped_storage().data_ptr() == place for pin in self._pins)

    def wait(self, why: str) -> None:
        """Count a wait of the host for the device."""
        self.waits[f"{_asking_line()} {why}"] += 1

    def moving(self, there: torch.device) -> ExitStack:
        """Return a block in which a tensor is copied to a device."""
        stack = ExitStack()
        stack.enter_context(mock.patch.object(self, "_going", there))
        return stack

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Do one operation of C++, or raise as a GPU would."""
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        on_gpu = [t for t in tensors if isinstance(t, OnGpu)]
        asked = kwargs.get("device")
        if not on_gpu and (asked is None or torch.device(asked).type != "cuda"):
            return func(*args, **kwargs)
        leaving = self._going == _HOST
        name = func.overloadpacket.__name__
        self._look(name, args, tensors, on_gpu, leaving)
        self.operations[name] += 1
        self.kernels += not (func.is_view or name in _WITHOUT_KERNEL)
        if self._inside != _HOST and (leaving or name == "_local_scalar_dense"):
            return 0.0 if not leaving else torch.zeros(args[0].shape, dtype=args[0].dtype)
        inner = {k: v for k, v in kwargs.items() if k != "pin_memory"}
        if asked is not None:
            inner["device"] = self._inside
        out = func(*tree_map(self._held, args), **tree_map(self._held, inner))
        if leaving and name == "_to_copy":
            return out
        written = _written(func, args, kwargs)
        return tree_map(_wrapped, out) if written is None else written

    def _held(self, value: Any) -> Any:
        if isinstance(value, OnGpu):
            return value.held
        return value.to(self._inside) if isinstance(value, torch.Tensor) else value

    def _look(
        self, name: str, args: Any, tensors: list[Any], on_gpu: list[Any], leaving: bool
    ) -> None:
        host = [t for t in tensors if not isinstance(t, OnGpu)]
        if name == "_local_scalar_dense" or name in _WAITING:
            self.wait(name)
        elif name in ("_to_copy", "copy_"):
            if leaving or not all(map(self._is_pinned, host)):
                self.wait("copy between host and device")
            return
        elif name in _BY_INDEX:
            indices = [i for i in args[1] if i is not None]
            if any(i.dtype in (torch.bool, torch.uint8) for i in indices):
                self.wait("boolean index")
            if any(not isinstance(i, OnGpu) for i in indices):
                self.wait("index of the host")
            host = [t for t in host if all(t is not i for i in indices)]
        if any(t.dim() for t in host) and not name.startswith("_foreach"):
            shapes = [tuple(t.shape) for t in host if t.dim()]
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two "
                f"devices, cuda:0 and cpu {shapes}"
            )


def _wrapped(value: Any) -> Any:
    return OnGpu.of(value) if isinstance(value, torch.Tensor) else value


def _written(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Return the arguments that an operation in place, or with `out`, gives back, else None."""
    returns = func._schema.returns
    if not returns or returns[0].alias_info is None or not returns[0].alias_info.is_write:
        return None
    given = [
        kwargs[a.name] if a.name in kwargs else args[position]
        for position, a in enumerate(func._schema.arguments)
        if a.alias_info is not None and a.alias_info.is_write
    ]
    return given[0] if len(returns) == 1 else tuple(given)


def _autocast(device_type: str, *args: Any, **kwargs: Any) -> torch.autocast:
    return _AUTOCAST("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


def _grouped(lists: Any, *args: Any, **kwargs: Any) -> Any:
    """Say of groups of tensors on which device they are: C++ takes all for those of the host."""
    found = _GROUPED(lists, *args, **kwargs)
    return {(g[0][0][0].device, dtype): g for (_, dtype), g in found.items()}


def _enter_no_grad(mode: Any) -> None:
    mode.instead = torch.no_grad()
    mode.instead.__enter__()


def _refused(why: str) -> Callable[..., None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError(why)

    return refuse


def _asking_line() -> str:
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file != Path(__file__) and _PROJECT in file.parents and ".venv" not in file.parts:
            return f"{file.relative_to(_PROJECT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
