"""Which versions of which models are served: policies, polling, loading, unloading, labels and states."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelConfigList

from services.modelserver.savedmodel import SavedModel, ServingError, explain
from services.modelserver.settings import Settings, single

log = logging.getLogger(__name__)

START, LOADING = ModelVersionStatus.START, ModelVersionStatus.LOADING
AVAILABLE = ModelVersionStatus.AVAILABLE
UNLOADING, END = ModelVersionStatus.UNLOADING, ModelVersionStatus.END


@dataclass
class Version:
    """One version of one model. ``tried`` is the folder's stamp when it was last loaded."""

    number: int
    state: int = START
    failure: ServingError | None = None
    model: SavedModel | None = None
    users: int = 0
    tried: object = None


class Store:
    """The models of a configuration, or of a folder until a configuration replaces it."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.store
        self._warm_up = settings.enable_model_warmup
        self._wait = settings.file_system_poll_wait_seconds
        self._configs: dict[str, ModelConfig] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._lock = threading.Condition()
        self._passes = threading.Lock()  # held during a pass over the folders, and during a reload
        self.stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll_for_ever, name="poll", daemon=True)
        if settings.config is not None:
            self._adopt(settings.config)

    def start(self) -> None:
        """Return when every configured model has been loaded or has failed to load, then keep polling.

        Returns early when ``stopping`` is set.
        """
        while not self.stopping.is_set():
            with self._passes:
                self._poll()
            if not (missing := self._unsettled(set(self._configs))):
                break
            log.warning("waiting for a first version of %s", ", ".join(sorted(missing)))
            self.stopping.wait(self._wait or 1.0)
        if self._wait:
            self._poller.start()

    def close(self) -> None:
        """Stop polling and unload everything; a call that is still under way is stopped."""
        self.stopping.set()
        if self._poller.is_alive():
            self._poller.join()
        with self._passes, self._lock:
            for version in (version for versions in self._versions.values() for version in versions.values()):
                if version.model:
                    version.model.close()
                    version.model, version.state = None, END

    @contextmanager
    def use(self, spec: ModelSpec) -> Iterator[tuple[SavedModel, int]]:
        """The loaded version that a request means; it stays loaded inside the ``with``. Raises ServingError."""
        if not spec.name:
            raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        with self._lock:
            version, model = self._find(spec)
            version.users += 1
        try:
            yield model, version.number
        finally:
            with self._lock:
                version.users -= 1
                self._lock.notify_all()

    def status(self, spec: ModelSpec) -> list[tuple[int, int, ServingError | None]]:
        """(version, state, failure), the newest first. A label is not looked at: it returns all versions."""
        with self._lock:
            versions = self._versions.get(spec.name, {})
            if spec.HasField("version"):
                number = spec.version.value
                if number not in versions:
                    raise ServingError(
                        grpc.StatusCode.NOT_FOUND, f"Could not find version {number} of model {spec.name}"
                    )
                versions = {number: versions[number]}
            if not versions:
                raise ServingError(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
            return [(n, versions[n].state, versions[n].failure) for n in sorted(versions, reverse=True)]

    def reload(self, config: ModelConfigList, active: Callable[[], bool]) -> None:
        """Replace the whole configuration; return when its new models serve, or raise ServingError.

        A store's folder is no longer looked at afterwards. Waiting for a model without versions ends when ``active``
        says that the caller has gone.
        """
        with self._passes:
            new = {model.name for model in config.config} - set(self._configs)
            self._adopt(config)
            self._folder = None
            self._poll()
            while self._unsettled(new) and active() and not self.stopping.is_set():
                self.stopping.wait(min(self._wait or 1.0, 1.0))
                self._poll()
            failed = self._failures(new)
        if failed:
            raise ServingError(grpc.StatusCode.UNKNOWN, f"Some models did not become available: {{{failed}}}")

    def _adopt(self, config: ModelConfigList) -> None:
        """Take over a configuration if all of it is right."""
        configs: dict[str, ModelConfig] = {}
        labels: dict[str, dict[str, int]] = {}
        for model in config.config:
            if model.name in configs:
                raise _invalid(f"Illegal to list model {model.name} multiple times in config list")
            configs[model.name] = model
        for model in config.config:
            if not Path(model.base_path).is_absolute():
                raise _invalid(
                    f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
                )
            if model.model_platform != "tensorflow":
                raise _invalid(f"Model {model.name} requests unsupported platform {model.model_platform}")
        with self._lock:
            for model in config.config:
                versions = self._versions.get(model.name, {})
                for label, number in model.version_labels.items():
                    if number not in versions or versions[number].state != AVAILABLE:
                        raise ServingError(
                            grpc.StatusCode.FAILED_PRECONDITION,
                            f"Request to assign label to version {number} of model {model.name}, "
                            "which is not currently available for inference",
                        )
                    labels.setdefault(model.name, {})[label] = number
            self._configs, self._labels = configs, labels

    def _find(self, spec: ModelSpec) -> tuple[Version, SavedModel]:
        versions = self._versions.get(spec.name, {})
        available = {n: (v, v.model) for n, v in versions.items() if v.state == AVAILABLE and v.model}
        number: int | None = None
        match spec.WhichOneof("version_choice"):
            case "version":
                number = spec.version.value
            case "version_label":
                number = self._labels.get(spec.name, {}).get(spec.version_label)
                if number is None:
                    raise _invalid(f"Unrecognized servable version label: {spec.version_label}")
            case _:
                number = max(available, default=None)
        if number is None or number not in available:
            wanted = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        return available[number]

    def _unsettled(self, names: set[str]) -> set[str]:
        """The models without a version that serves or has failed."""
        with self._lock:
            return {
                name
                for name in names
                if not any(v.state == AVAILABLE or v.failure for v in self._versions.get(name, {}).values())
            }

    def _failures(self, names: set[str]) -> str:
        """What keeps each model that does not serve at all from serving."""
        with self._lock:
            models = [(name, self._versions.get(name, {}).values()) for name in sorted(names)]
            return ", ".join(
                f"{{name: {name} version: {version.number} due to error: {version.failure}}}"
                for name, versions in models
                if not any(version.state == AVAILABLE for version in versions)
                for version in versions
                if version.failure
            )

    def _poll_for_ever(self) -> None:
        while not self.stopping.wait(self._wait):
            with self._passes:
                try:
                    self._poll()
                except Exception:  # the next pass may do better, and what is loaded goes on serving
                    log.exception("a look at the folders failed")

    def _poll(self) -> None:
        if self._folder is not None:
            self._configs = _models_of(self._folder, self._configs)
        for name, config in self._configs.items():
            if self.stopping.is_set():
                return
            try:
                found = _complete_versions(Path(config.base_path))
                wanted = _choose(config, set(found))
                for number in sorted(wanted, reverse=True):
                    self._load(name, number, found[number])
            except OSError as error:  # it may be back soon: what is loaded goes on serving
                log.warning("cannot read the folder of model %s: %s", name, error.strerror)
                continue
            with self._lock:
                up = {n for n, v in self._versions.get(name, {}).items() if v.state == AVAILABLE}
            # The old version serves until a new one is up.
            if not wanted or wanted & up:
                self._unload(name, keep=wanted)
        for name in set(self._versions) - set(self._configs):
            self._unload(name, keep=set())

    def _load(self, name: str, number: int, folder: Path) -> None:
        with self._lock:
            version = self._versions.setdefault(name, {}).setdefault(number, Version(number))
            if version.state in {AVAILABLE, UNLOADING}:
                return
        stamp = _stamp(folder)
        with self._lock:
            if version.failure and version.tried == stamp:
                return
            version.state, version.failure, version.tried = LOADING, None, stamp
        log.info("loading model %s version %d", name, number)
        model, failure = None, None
        try:
            model = SavedModel(folder, self._warm_up)
        except Exception as error:  # TensorFlow raises of every kind; other models go on
            log.exception("model %s version %d cannot be loaded", name, number)
            failure = explain(error)
        with self._lock:
            version.model, version.failure = model, failure
            version.state = AVAILABLE if model else END
        if model:
            log.info("model %s version %d is available", name, number)

    def _unload(self, name: str, keep: set[int]) -> None:
        with self._lock:
            leaving = [v for n, v in self._versions.get(name, {}).items() if v.state == AVAILABLE and n not in keep]
            for version in leaving:
                version.state = UNLOADING
        for version in leaving:  # calls under way may take their time: nobody waits for them here
            threading.Thread(target=self._free, args=(name, version), daemon=True).start()

    def _free(self, name: str, version: Version) -> None:
        with self._lock:
            self._lock.wait_for(lambda: version.users == 0)
            model, version.model = version.model, None
        if model:
            model.close()
        with self._lock:
            version.state = END
        log.info("model %s version %d is unloaded", name, version.number)


def _models_of(folder: Path, known: dict[str, ModelConfig]) -> dict[str, ModelConfig]:
    try:
        names = sorted(child.name for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
        names = [name for name in names if name in known or _complete_versions(folder / name)]
    except OSError as error:
        log.warning("cannot read the store: %s", error.strerror)
        return known
    return {name: single(name, str((folder / name).absolute())).config[0] for name in names}


def _complete_versions(folder: Path) -> dict[int, Path]:
    """The version folders that hold a whole SavedModel: ``saved_model.pb`` is what TensorFlow writes last."""
    return {
        int(child.name): child
        for child in folder.iterdir()
        if child.name.isascii() and child.name.isdigit() and (child / "saved_model.pb").is_file()
    }


def _choose(config: ModelConfig, found: set[int]) -> set[int]:
    policy = config.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return found
        case "specific":
            return found & set(policy.specific.versions)
        case _:
            return set(sorted(found, reverse=True)[: max(1, policy.latest.num_versions)])


def _stamp(folder: Path) -> Any:
    """Changes when a file of the folder does."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [(str(file), status.st_mtime_ns, status.st_size) for file in files for status in [file.stat()]]


def _invalid(message: str) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)
