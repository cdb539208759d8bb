"""The architectures of the paper's networks (its Table 2) as Keras models, for files that hold weights alone.

Layers have the names of the published Keras ports, so that their weight files load by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from faceoff.errors import FaceOffError, Reason

Tensor = Any


def build(name: str, embedding_size: int) -> keras.Model:
    """A model with fresh weights, images [B, height, width, 3] to raw embeddings [B, ``embedding_size``].

    Raises UNSUPPORTED_FORMAT when ``name`` is not one of ``ARCHITECTURES``.
    """
    if name not in ARCHITECTURES:
        raise FaceOffError(
            Reason.UNSUPPORTED_FORMAT,
            f"There is no architecture {name!r}.",
            f"The card's architecture is one of {', '.join(ARCHITECTURES)}.",
        )
    return ARCHITECTURES[name](embedding_size)


@keras.saving.register_keras_serializable("faceoff")
class LocalResponse(layers.Layer):
    """AlexNet's local response normalisation, with the constants of FaceNet's nn4."""

    radius, bias, alpha, beta = 5, 1.0, 1e-4, 0.75

    def call(self, x: Tensor) -> Tensor:
        return tf.nn.local_response_normalization(x, self.radius, self.bias, self.alpha, self.beta)


@keras.saving.register_keras_serializable("faceoff")
class L2Pool(layers.Layer):
    """The root of the sum of squares over windows of 3 x 3, three apart."""

    size = 3
    floor = 1e-12  # a root has no gradient at zero, and windows of zeros are common behind a ReLU

    def call(self, x: Tensor) -> Tensor:
        mean = tf.nn.avg_pool2d(tf.square(x), self.size, self.size, "VALID")
        return tf.sqrt(mean * self.size**2 + self.floor)


def inception_resnet_v1(embedding_size: int) -> keras.Model:
    """FaceNet's Inception-ResNet-v1 (FLVT, FLVC, FLCT): 160 x 160, each image standardised."""

    def conv(x: Tensor, name: str, filters: int, size: Any, strides: int = 1, padding: str = "same") -> Tensor:
        x = layers.Conv2D(filters, size, strides, padding, use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.995, scale=False, name=f"{name}_BatchNorm")(x)
        return layers.Activation("relu", name=f"{name}_Activation")(x)

    def residual(x: Tensor, name: str, branches: list[Tensor], scale: float, activation: bool = True) -> Tensor:
        mixed = layers.Concatenate(name=f"{name}_Concatenate")(branches)
        mixed = layers.Conv2D(x.shape[-1], 1, name=f"{name}_Conv2d_1x1")(mixed)
        x = layers.Add(name=f"{name}_ScaleSum")([x, layers.Rescaling(scale, name=f"{name}_Scale")(mixed)])
        return layers.Activation("relu", name=f"{name}_Activation")(x) if activation else x

    def block35(x: Tensor, name: str) -> Tensor:
        b0 = conv(x, f"{name}_Branch_0_Conv2d_1x1", 32, 1)
        b1 = conv(x, f"{name}_Branch_1_Conv2d_0a_1x1", 32, 1)
        b1 = conv(b1, f"{name}_Branch_1_Conv2d_0b_3x3", 32, 3)
        b2 = conv(x, f"{name}_Branch_2_Conv2d_0a_1x1", 32, 1)
        b2 = conv(b2, f"{name}_Branch_2_Conv2d_0b_3x3", 32, 3)
        b2 = conv(b2, f"{name}_Branch_2_Conv2d_0c_3x3", 32, 3)
        return residual(x, name, [b0, b1, b2], 0.17)

    def block(x: Tensor, name: str, filters: int, size: int, scale: float, activation: bool = True) -> Tensor:
        b0 = conv(x, f"{name}_Branch_0_Conv2d_1x1", filters, 1)
        b1 = conv(x, f"{name}_Branch_1_Conv2d_0a_1x1", filters, 1)
        b1 = conv(b1, f"{name}_Branch_1_Conv2d_0b_1x{size}", filters, (1, size))
        b1 = conv(b1, f"{name}_Branch_1_Conv2d_0c_{size}x1", filters, (size, 1))
        return residual(x, name, [b0, b1], scale, activation)

    images = x = keras.Input((160, 160, 3))
    x = conv(x, "Conv2d_1a_3x3", 32, 3, 2, "valid")
    x = conv(x, "Conv2d_2a_3x3", 32, 3, 1, "valid")
    x = conv(x, "Conv2d_2b_3x3", 64, 3)
    x = layers.MaxPooling2D(3, 2, name="MaxPool_3a_3x3")(x)
    x = conv(x, "Conv2d_3b_1x1", 80, 1, 1, "valid")
    x = conv(x, "Conv2d_4a_3x3", 192, 3, 1, "valid")
    x = conv(x, "Conv2d_4b_3x3", 256, 3, 2, "valid")
    for i in range(1, 6):
        x = block35(x, f"Block35_{i}")

    b0 = conv(x, "Mixed_6a_Branch_0_Conv2d_1a_3x3", 384, 3, 2, "valid")
    b1 = conv(x, "Mixed_6a_Branch_1_Conv2d_0a_1x1", 192, 1)
    b1 = conv(b1, "Mixed_6a_Branch_1_Conv2d_0b_3x3", 192, 3)
    b1 = conv(b1, "Mixed_6a_Branch_1_Conv2d_1a_3x3", 256, 3, 2, "valid")
    b2 = layers.MaxPooling2D(3, 2, name="Mixed_6a_Branch_2_MaxPool_1a_3x3")(x)
    x = layers.Concatenate(name="Mixed_6a")([b0, b1, b2])
    for i in range(1, 11):
        x = block(x, f"Block17_{i}", 128, 7, 0.1)

    b0 = conv(x, "Mixed_7a_Branch_0_Conv2d_0a_1x1", 256, 1)
    b0 = conv(b0, "Mixed_7a_Branch_0_Conv2d_1a_3x3", 384, 3, 2, "valid")
    b1 = conv(x, "Mixed_7a_Branch_1_Conv2d_0a_1x1", 256, 1)
    b1 = conv(b1, "Mixed_7a_Branch_1_Conv2d_1a_3x3", 256, 3, 2, "valid")
    b2 = conv(x, "Mixed_7a_Branch_2_Conv2d_0a_1x1", 256, 1)
    b2 = conv(b2, "Mixed_7a_Branch_2_Conv2d_0b_3x3", 256, 3)
    b2 = conv(b2, "Mixed_7a_Branch_2_Conv2d_1a_3x3", 256, 3, 2, "valid")
    b3 = layers.MaxPooling2D(3, 2, name="Mixed_7a_Branch_3_MaxPool_1a_3x3")(x)
    x = layers.Concatenate(name="Mixed_7a")([b0, b1, b2, b3])
    for i in range(1, 6):
        x = block(x, f"Block8_{i}", 192, 3, 0.2)
    x = block(x, "Block8_6", 192, 3, 1.0, activation=False)

    x = layers.GlobalAveragePooling2D(name="AvgPool")(x)
    x = layers.Dropout(0.2, name="Dropout")(x)
    x = layers.Dense(embedding_size, use_bias=False, name="Bottleneck")(x)
    x = layers.BatchNormalization(momentum=0.995, scale=False, name="Bottleneck_BatchNorm")(x)
    return keras.Model(images, x, name="inception_resnet_v1")


def facenet_nn4_small(embedding_size: int) -> keras.Model:
    """FaceNet's nn4.small2 as OpenFace trained it (FSVT): 96 x 96, values in [0, 1]."""

    def conv(x: Tensor, name: str, norm: str, filters: int, size: int, strides: int = 1) -> Tensor:
        if size > 1:
            x = layers.ZeroPadding2D(size // 2)(x)
        x = layers.Conv2D(filters, size, strides, name=name)(x)
        x = layers.BatchNormalization(epsilon=1e-5, name=norm)(x)
        return layers.Activation("relu")(x)

    def tower(x: Tensor, name: str, reduced: int, filters: int, size: int, strides: int = 1) -> Tensor:
        name = f"{name}_{size}x{size}"
        x = conv(x, f"{name}_conv1", f"{name}_bn1", reduced, 1)
        return conv(x, f"{name}_conv2", f"{name}_bn2", filters, size, strides)

    def pooled(x: Tensor, name: str, filters: int, pool: layers.Layer) -> Tensor:
        """Pooling with fewer positions than the other branches; zeros fill the rest of the square, evenly."""
        side = x.shape[1]
        x = conv(pool(x), f"{name}_pool_conv", f"{name}_pool_bn", filters, 1)
        missing = side - x.shape[1]
        before, after = missing // 2, missing - missing // 2
        return layers.ZeroPadding2D(((before, after), (before, after)))(x)

    def single(x: Tensor, name: str, filters: int) -> Tensor:
        return conv(x, f"{name}_1x1_conv", f"{name}_1x1_bn", filters, 1)

    def halved(x: Tensor, name: str, reduced: tuple[int, int], filters: tuple[int, int]) -> Tensor:
        pool = layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.MaxPooling2D(3, 2)(x))
        branches = [tower(x, name, reduced[0], filters[0], 3, 2), tower(x, name, reduced[1], filters[1], 5, 2), pool]
        return layers.Concatenate(name=name)(branches)

    images = x = keras.Input((96, 96, 3))
    x = conv(x, "conv1", "bn1", 64, 7, 2)
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    x = LocalResponse(name="lrn_1")(x)
    x = conv(x, "conv2", "bn2", 64, 1)
    x = conv(x, "conv3", "bn3", 192, 3)
    x = LocalResponse(name="lrn_2")(x)
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))

    name = "inception_3a"
    branches = [tower(x, name, 96, 128, 3), tower(x, name, 16, 32, 5)]
    branches += [pooled(x, name, 32, layers.MaxPooling2D(3, 2)), single(x, name, 64)]
    x = layers.Concatenate(name=name)(branches)
    name = "inception_3b"
    branches = [tower(x, name, 96, 128, 3), tower(x, name, 32, 64, 5)]
    branches += [pooled(x, name, 64, L2Pool()), single(x, name, 64)]
    x = layers.Concatenate(name=name)(branches)
    x = halved(x, "inception_3c", (128, 32), (256, 64))

    name = "inception_4a"
    branches = [tower(x, name, 96, 192, 3), tower(x, name, 32, 64, 5)]
    branches += [pooled(x, name, 128, L2Pool()), single(x, name, 256)]
    x = layers.Concatenate(name=name)(branches)
    x = halved(x, "inception_4e", (160, 64), (256, 128))

    name = "inception_5a"
    x = layers.Concatenate(name=name)([tower(x, name, 96, 384, 3), pooled(x, name, 96, L2Pool()), single(x, name, 256)])
    name = "inception_5b"
    x = layers.Concatenate(name=name)(
        [tower(x, name, 96, 384, 3), pooled(x, name, 96, layers.MaxPooling2D(3, 2)), single(x, name, 256)]
    )
    x = layers.Flatten()(layers.AveragePooling2D(3, 1)(x))
    x = layers.Dense(embedding_size, name="dense_layer")(x)
    return keras.Model(images, x, name="facenet_nn4_small")


def centerloss_resnet(embedding_size: int) -> keras.Model:
    """The residual net of the centre loss's authors (CSVC): 112 x 96, BGR in [-1, 1], 27 convolutions with PReLU."""

    def conv(x: Tensor, name: str, filters: int, padding: str) -> Tensor:
        x = layers.Conv2D(filters, 3, padding=padding, name=f"conv{name}")(x)
        return layers.PReLU(shared_axes=[1, 2], name=f"relu{name}")(x)

    def residuals(x: Tensor, stage: int, count: int) -> Tensor:
        for i in range(1, 2 * count, 2):
            y = conv(x, f"{stage}_{i}", x.shape[-1], "same")
            y = conv(y, f"{stage}_{i + 1}", x.shape[-1], "same")
            x = layers.Add(name=f"res{stage}_{i + 1}")([x, y])
        return x

    images = x = keras.Input((112, 96, 3))
    x = conv(x, "1a", 32, "valid")
    x = conv(x, "1b", 64, "valid")
    x = layers.MaxPooling2D(2, name="pool1b")(x)
    x = residuals(x, 2, 1)
    for stage, filters, count in ((2, 128, 2), (3, 256, 5), (4, 512, 3)):
        x = conv(x, str(stage), filters, "valid")
        x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
        x = residuals(x, stage + 1, count)
    x = layers.Dense(embedding_size, name="fc5")(layers.Flatten(name="flatten")(x))
    return keras.Model(images, x, name="centerloss_resnet")


ARCHITECTURES: Mapping[str, Callable[[int], keras.Model]] = {
    "inception_resnet_v1": inception_resnet_v1,
    "facenet_nn4_small": facenet_nn4_small,
    "centerloss_resnet": centerloss_resnet,
}
