"""A point on the map as a body gives it: both degrees, or neither."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class AtPoint(BaseModel):
    """To inherit from. Half a point is refused at `lon`, whichever half is missing."""

    lat: Annotated[float | None, Field(ge=-90, le=90, description="degrees", examples=[10.0052])] = None
    lon: Annotated[
        float | None, Field(ge=-180, le=180, description="degrees", examples=[105.7511], validate_default=True)
    ] = None

    @field_validator("lon")
    @classmethod
    def whole(cls, lon: float | None, info: ValidationInfo) -> float | None:
        if "lat" in info.data and (info.data["lat"] is None) != (lon is None):
            raise PydanticCustomError("half_a_point", "latitude and longitude, or neither")
        return lon
