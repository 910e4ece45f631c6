"""What the fixtures answer when nothing has to be asked: contents, resources, prompts. No behaviour."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
"""One red pixel."""
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
"""One silent sample."""

IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")
AUDIO = types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")


def text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)


def embedded(uri: str, words: str, *, mime_type: str = "text/plain") -> types.EmbeddedResource:
    resource = types.TextResourceContents(uri=uri, mime_type=mime_type, text=words)
    return types.EmbeddedResource(type="resource", resource=resource)


CONTENT_TOOLS: dict[str, tuple[str, list[types.ContentBlock]]] = {
    "test_simple_text": ("Answers text", [text("This is a simple text response for testing.")]),
    "test_image_content": ("Answers an image", [IMAGE]),
    "test_audio_content": ("Answers audio", [AUDIO]),
    "test_embedded_resource": (
        "Answers an embedded resource",
        [embedded("test://embedded-resource", "This is an embedded resource content.")],
    ),
    "test_multiple_content_types": (
        "Answers text, an image and a resource",
        [
            text("Multiple content types test:"),
            IMAGE,
            embedded("test://mixed-content-resource", '{"test":"data","value":123}', mime_type="application/json"),
        ],
    ),
}

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

RESOURCES = [
    types.Resource(uri="test://static-text", name="static-text", description="Text", mime_type="text/plain"),
    types.Resource(uri="test://static-binary", name="static-binary", description="A picture", mime_type="image/png"),
    types.Resource(uri="test://watched-resource", name="watched", description="Watchable", mime_type="text/plain"),
]
MORE_RESOURCES = [
    types.Resource(uri="test://comes-and-goes", name="comes-and-goes", description="Listed at times"),
]
TEMPLATES = [
    types.ResourceTemplate(
        uri_template="test://template/{id}/data",
        name="template",
        description="Data for an id",
        mime_type="application/json",
    )
]


def read(uri: str) -> types.TextResourceContents | types.BlobResourceContents | None:
    """The one content behind `uri`, None if there is no such resource."""
    match uri.removeprefix("test://").split("/"):
        case ["static-text"]:
            words = "This is the content of the static text resource."
            return types.TextResourceContents(uri=uri, mime_type="text/plain", text=words)
        case ["static-binary"]:
            return types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
        case ["watched-resource"]:
            return types.TextResourceContents(uri=uri, mime_type="text/plain", text="Watched resource content")
        case ["template", identifier, "data"]:
            data = {"id": identifier, "templateTest": True, "data": f"Data for ID: {identifier}"}
            return types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
        case _:
            return None


def _argument(name: str) -> types.PromptArgument:
    return types.PromptArgument(name=name, description=f"The argument {name}", required=True)


PROMPTS = [
    types.Prompt(name="test_simple_prompt", description="Without arguments"),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="With two arguments",
        arguments=[_argument("arg1"), _argument("arg2")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="Embeds a resource",
        arguments=[_argument("resourceUri")],
    ),
    types.Prompt(name="test_prompt_with_image", description="Shows an image"),
    types.Prompt(name="test_input_required_result_prompt", description="Asks the user for its context"),
]


MORE_PROMPTS = [types.Prompt(name="test_prompt_that_comes_and_goes", description="Listed at times")]


def prompt(name: str, arguments: dict[str, str]) -> list[types.ContentBlock] | None:
    """The user messages of a prompt, None if there is no such prompt."""
    match name:
        case "test_simple_prompt":
            return [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            words = f"Prompt with arguments: arg1='{arguments.get('arg1')}', arg2='{arguments.get('arg2')}'"
            return [text(words)]
        case "test_prompt_with_embedded_resource":
            resource = embedded(arguments.get("resourceUri", "test://none"), "Embedded resource content for testing.")
            return [resource, text("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            return [IMAGE, text("Please analyze the image above.")]
        case _:
            return None
