"""`template.yaml` of JD Cloud's sca, as its own `init` writes it and as people get it wrong."""

import pytest

from ossfn.functions.config import function_config
from ossfn.functions.errors import FunctionRefused
from ossfn.functions.jd_template import is_template, read_template

TEMPLATE = """
ROSTemplateFormatVersion: "2019-12-25"
Transform: JDCloud::Serverless-2019-12-25
Resources:
  test-function:
    Type: JDCloud::Serverless::Function
    Properties:
      Handler: index.handler
      Timeout: 300
      MemorySize: 128
      Runtime: python3.6
      Description: This is a template of function which name is "test-function"
      CodeUri: ./code
      Env:
        COLOUR: red
      Role: ""
      Policies: ""
      VPCConfig: { Vpc: "", Subnet: "" }
      LogConfig: { LogSet: "", LogTopic: "" }
"""


def test_it_says_how_the_function_is_run() -> None:
    declared = read_template(TEMPLATE)
    assert (declared.name, declared.code_uri, declared.env) == ("test-function", "./code", {"COLOUR": "red"})
    config = function_config(None, {**declared.options, "env": declared.env})
    assert (config.entry_point, config.timeout_seconds, config.memory_mb) == ("index.handler", 300, 128)


def test_the_only_function_may_be_called_otherwise() -> None:
    declared = read_template(TEMPLATE, "other")
    assert (declared.name, declared.options["entry_point"]) == ("other", "index.handler")


def test_of_several_functions_one_is_named() -> None:
    resource = TEMPLATE.split("Resources:\n")[1]
    two = TEMPLATE + resource.replace("test-function:", "second:")
    with pytest.raises(FunctionRefused, match="--name: test-function, second"):
        read_template(two)
    assert read_template(two, "second").name == "second"
    with pytest.raises(FunctionRefused, match="--name"):
        read_template(two, "third")


def test_templates_of_other_tools_are_not_taken_for_it() -> None:
    assert is_template(TEMPLATE)
    assert not is_template("Transform: AWS::Serverless-2016-10-31")


@pytest.mark.parametrize(
    ("right", "wrong", "why"),
    [
        ("python3.6", "python2.7", r"test-function\.Properties\.Runtime: Python 2\.7 is not run here"),
        ("python3.6", "nodejs8", r"Properties\.Runtime"),
        ("index.handler", "handler", r"Properties\.Handler"),
        ("index.handler", "a.b.c", r"Properties\.Handler"),
        ("Timeout: 300", "Timeout: 301", r"Properties\.Timeout"),
        ("MemorySize: 128", "MemorySize: 130", r"Properties\.MemorySize"),
        ("COLOUR: red", "COLOUR: ''", r"Properties\.Env\.COLOUR"),
        ("Resources:", "Resourses:", "Resources"),
        ("Type: JDCloud::Serverless::Function", "Type: JDCloud::Other", "has no function"),
        ("Resources:", "Resources: [", r"template\.yaml: while parsing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(right: str, wrong: str, why: str) -> None:
    with pytest.raises(FunctionRefused, match=why):
        read_template(TEMPLATE.replace(right, wrong))
