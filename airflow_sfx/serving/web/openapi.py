"""The server's interface as OpenAPI: the rows are those of the model's signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_sfx._version import __version__

if TYPE_CHECKING:
    from airflow_sfx.models.schema.signature import Feature, Output
    from airflow_sfx.serving.served import Served

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
_TYPES: dict[str, dict[str, Any]] = {
    "number": {"type": "number", "format": "double"},
    "integer": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "decimal": {"type": "string", "format": "decimal"},
}
_REFUSED = {
    "400": "The body is not JSON records, or a parameter is unknown",
    "408": "The body did not arrive in time",
    "413": "The body is too large, or has too many rows",
    "415": "The body has another content type",
    "422": "A row does not fit the signature",
    "500": "The model failed",
    "503": "Too many requests are waiting",
    "504": "The model did not answer in time",
}
_UNSEEN = {
    "name": "unseen",
    "in": "query",
    "description": "Whether a category that the model does not know is refused, or scored as a"
    " missing value",
    "schema": {"enum": ["refuse", "missing"], "default": "refuse"},
}
_READING = {
    "/healthz": "Return whether the process responds",
    "/readyz": "Return whether a model is served, and which",
    "/metadata": "Describe the version that is served: signature, metrics, training batches",
    "/metrics": "Return figures of the server for Prometheus",
}


def description(served: Served) -> dict[str, Any]:
    """Return the OpenAPI description of a server.

    Args:
        served: What it serves.

    Returns:
        The document.
    """
    inputs, outputs, about = served.signature.inputs, served.signature.outputs, served.about
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    answer = {
        "type": "object",
        "required": ["model", "predictions"],
        "properties": {
            "model": {"type": "string", "description": "The version that answered"},
            "predictions": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Prediction"},
                "description": "One for each row, in their order",
            },
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "version": about.version,
            "description": f"{about.description}, served by airflow_sfx {__version__}",
        },
        "paths": {
            "/predict": {"post": _predict(rows, answer, served.example, about.takes_unseen)},
            **{path: {"get": _reading(text)} for path, text in _READING.items()},
        },
        "components": {
            "schemas": {
                "Row": _row(inputs),
                "Prediction": _prediction(outputs),
                "Problem": {
                    "type": "object",
                    "required": ["error", "message"],
                    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
                },
            }
        },
    }


def _predict(
    rows: dict[str, Any], answer: dict[str, Any], example: dict[str, object], of_model: bool
) -> dict[str, Any]:
    """Return the path of predictions; functions have no Arrow and no parameter."""
    problem = {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    arrow = {ARROW: binary} if of_model else {}
    return {
        "summary": "Predict rows",
        "parameters": [_UNSEEN] if of_model else [],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": rows, "example": [example]}, **arrow},
        },
        "responses": {
            "200": {
                "description": "The predictions",
                "headers": {
                    "X-SFX-Model": {
                        "description": "The version that answered",
                        "schema": {"type": "string"},
                    }
                },
                "content": {JSON: {"schema": answer}, **arrow},
            },
            **{
                status: {"description": text, "content": problem}
                for status, text in _REFUSED.items()
            },
        },
    }


def _reading(text: str) -> dict[str, Any]:
    return {"summary": text, "responses": {"200": {"description": "As described"}}}


def _row(inputs: tuple[Feature, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Further columns are ignored",
        "required": [one.name for one in inputs],
        "properties": {one.name: _column(one) for one in inputs},
    }


def _column(feature: Feature) -> dict[str, Any]:
    kind = _TYPES[feature.kind]
    if feature.categories is not None:
        missing = [None] if feature.nullable else []
        return {"enum": [*feature.categories, *missing]}
    if feature.nullable:
        kind = {**kind, "type": [kind["type"], "null"]}
    if feature.least is None:
        return kind
    return {**kind, "description": f"Trained on {feature.least} to {feature.greatest}"}


def _output(one: Output) -> dict[str, Any]:
    """Return the type of a column that a function gives; that of a model's prediction is open."""
    if one.kind is None:
        return {}
    kind = _TYPES[one.kind]
    return {**kind, "type": [kind["type"], "null"]}


def _prediction(outputs: tuple[Output, ...]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for one in outputs:
        if one.name == "probability":
            properties[one.name] = {
                "type": "array",
                "items": {"type": "number"},
                "minItems": len(one.classes),
                "maxItems": len(one.classes),
                "description": f"Of the classes {', '.join(map(str, one.classes))}, in this order",
            }
        else:
            properties[one.name] = {"enum": list(one.classes)} if one.classes else _output(one)
    return {"type": "object", "required": list(properties), "properties": properties}
