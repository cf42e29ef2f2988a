"""The steps of a model's life, one pure function a file: (inputs, config) -> `perdure.core.protocols.StepResult`."""
