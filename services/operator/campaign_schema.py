"""Written by services.operator.crds; do not edit."""

import json
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    r"""
{
 "properties": {
  "alphas": {
   "items": {
    "maximum": 100.0,
    "minimum": 0.0,
    "type": "number"
   },
   "maxItems": 1000,
   "minItems": 1,
   "type": "array"
  },
  "claim": {
   "maxLength": 4000,
   "type": "string"
  },
  "encodings": {
   "items": {
    "properties": {
     "chroma": {
      "enum": [
       "4:2:0",
       "4:4:4"
      ],
      "type": "string"
     },
     "cropped": {
      "type": "boolean"
     },
     "format": {
      "enum": [
       "png",
       "jpeg"
      ],
      "type": "string"
     },
     "quality": {
      "maximum": 100,
      "minimum": 1,
      "type": "integer"
     },
     "scale": {
      "exclusiveMinimum": true,
      "maximum": 1,
      "minimum": 0,
      "type": "number"
     }
    },
    "type": "object"
   },
   "maxItems": 20,
   "minItems": 1,
   "type": "array"
  },
  "name": {
   "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$",
   "type": "string"
  },
  "people": {
   "properties": {
    "among": {
     "items": {
      "maxLength": 255,
      "minLength": 1,
      "pattern": "^[^/.\\x00-\\x1f][^/\\x00-\\x1f]*$",
      "type": "string"
     },
     "maxItems": 1000,
     "type": "array"
    },
    "folder": {
     "maxLength": 255,
     "pattern": "^[A-Za-z0-9_][A-Za-z0-9._ -]{0,62}(/[A-Za-z0-9_][A-Za-z0-9._ -]{0,62}){0,7}$",
     "type": "string"
    },
    "limit": {
     "minimum": 0,
     "type": "integer"
    },
    "pairs": {
     "items": {
      "items": {
       "maxLength": 255,
       "minLength": 1,
       "pattern": "^[^/.\\x00-\\x1f][^/\\x00-\\x1f]*$",
       "type": "string"
      },
      "maxItems": 2,
      "minItems": 2,
      "type": "array"
     },
     "maxItems": 10000,
     "type": "array"
    },
    "photos": {
     "maximum": 1000,
     "minimum": 1,
     "type": "integer"
    },
    "sources": {
     "items": {
      "maxLength": 255,
      "minLength": 1,
      "pattern": "^[^/.\\x00-\\x1f][^/\\x00-\\x1f]*$",
      "type": "string"
     },
     "maxItems": 1000,
     "type": "array"
    }
   },
   "required": [
    "folder"
   ],
   "type": "object"
  },
  "plans": {
   "items": {
    "properties": {
     "grid": {
      "properties": {
       "epsilon": {
        "items": {
         "maximum": 1.0,
         "minimum": 0.0001,
         "type": "number"
        },
        "maxItems": 1000,
        "type": "array"
       },
       "iterations": {
        "items": {
         "maximum": 10000,
         "minimum": 1,
         "type": "integer"
        },
        "maxItems": 1000,
        "type": "array"
       },
       "kappa": {
        "items": {
         "maximum": 100.0,
         "minimum": 0.0,
         "type": "number"
        },
        "maxItems": 1000,
        "type": "array"
       },
       "loss": {
        "items": {
         "enum": [
          "target",
          "hinge",
          "dodge",
          "crowd"
         ],
         "type": "string"
        },
        "maxItems": 4,
        "type": "array"
       },
       "surrogates": {
        "items": {
         "items": {
          "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
          "type": "string"
         },
         "maxItems": 16,
         "minItems": 1,
         "type": "array"
        },
        "maxItems": 1000,
        "type": "array"
       }
      },
      "type": "object"
     },
     "name": {
      "nullable": true,
      "pattern": "^[a-z0-9][a-z0-9._-]{0,62}$",
      "type": "string"
     },
     "plan": {
      "enum": [
       "subtle",
       "balanced",
       "strong",
       "paper/pgd_l2",
       "paper/pgd_l2_200",
       "paper/pgd_linf",
       "paper/pgd_linf_200",
       "paper/cw_linf",
       "paper/cw_l2_small",
       "paper/cw_l2_large",
       "released/pgd_l2",
       "released/pgd_l2_200",
       "released/pgd_linf",
       "released/pgd_linf_200",
       "released/cw_linf",
       "released/cw_l2_small",
       "released/cw_l2_large"
      ],
      "type": "string"
     },
     "set": {
      "properties": {
       "decay": {
        "maximum": 1.0,
        "minimum": 0.0,
        "nullable": true,
        "type": "number"
       },
       "early": {
        "nullable": true,
        "type": "boolean"
       },
       "epsilon": {
        "maximum": 1.0,
        "minimum": 0.0001,
        "nullable": true,
        "type": "number"
       },
       "initial_const": {
        "maximum": 1000000.0,
        "minimum": 1e-06,
        "nullable": true,
        "type": "number"
       },
       "iterations": {
        "maximum": 10000,
        "minimum": 1,
        "nullable": true,
        "type": "integer"
       },
       "jitter": {
        "maximum": 3.0,
        "minimum": 0.0,
        "nullable": true,
        "type": "number"
       },
       "kappa": {
        "maximum": 100.0,
        "minimum": 0.0,
        "nullable": true,
        "type": "number"
       },
       "largest_const": {
        "maximum": 1000000000000.0,
        "minimum": 1e-06,
        "nullable": true,
        "type": "number"
       },
       "loss": {
        "enum": [
         "target",
         "hinge",
         "dodge",
         "crowd"
        ],
        "nullable": true,
        "type": "string"
       },
       "method": {
        "enum": [
         "pgd_l2",
         "pgd_linf",
         "cw_l2",
         "cw_linf"
        ],
        "nullable": true,
        "type": "string"
       },
       "metric": {
        "enum": [
         "l2",
         "cosine"
        ],
        "nullable": true,
        "type": "string"
       },
       "reference": {
        "enum": [
         "mean",
         "centroid"
        ],
        "nullable": true,
        "type": "string"
       },
       "rms": {
        "maximum": 255.0,
        "minimum": 0.0,
        "nullable": true,
        "type": "number"
       },
       "search_steps": {
        "maximum": 30,
        "minimum": 1,
        "nullable": true,
        "type": "integer"
       },
       "shrink": {
        "maximum": 1.0,
        "minimum": 0.0,
        "nullable": true,
        "type": "number"
       },
       "step_size": {
        "maximum": 10.0,
        "minimum": 0.0001,
        "nullable": true,
        "type": "number"
       },
       "surrogates": {
        "items": {
         "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
         "type": "string"
        },
        "maxItems": 16,
        "minItems": 1,
        "nullable": true,
        "type": "array"
       },
       "surround": {
        "nullable": true,
        "type": "boolean"
       },
       "texture": {
        "maximum": 0.95,
        "minimum": 0.0,
        "nullable": true,
        "type": "number"
       },
       "warm_start": {
        "maximum": 10000,
        "minimum": 0,
        "nullable": true,
        "type": "integer"
       }
      },
      "type": "object"
     },
     "targets": {
      "enum": [
       "none",
       "self",
       "pair",
       "auto",
       "own"
      ],
      "nullable": true,
      "type": "string"
     }
    },
    "required": [
     "plan"
    ],
    "type": "object"
   },
   "maxItems": 100,
   "minItems": 1,
   "type": "array"
  },
  "seed": {
   "maximum": 9007199254740991,
   "minimum": 0,
   "type": "integer"
  },
  "victims": {
   "properties": {
    "consent": {
     "items": {
      "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
      "type": "string"
     },
     "maxItems": 16,
     "type": "array"
    },
    "local": {
     "items": {
      "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
      "type": "string"
     },
     "maxItems": 64,
     "type": "array"
    },
    "ranks": {
     "type": "boolean"
    },
    "references": {
     "maximum": 100,
     "minimum": 1,
     "type": "integer"
    },
    "remote": {
     "items": {
      "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
      "type": "string"
     },
     "maxItems": 16,
     "type": "array"
    }
   },
   "type": "object"
  }
 },
 "required": [
  "name",
  "people",
  "plans",
  "victims"
 ],
 "type": "object"
}
"""
)
