"""What is planned: trips that must be driven, and the blocks (a vehicle's day) which they are put into."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trip:
    id: str
    start: int
    """Minutes after midnight."""
    end: int
    origin: tuple[float, float]
    """Kilometres east and north of the city's centre."""
    destination: tuple[float, float]


@dataclass
class Block:
    vehicle: int
    trips: list[Trip] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    depot: str
    cost: float
    """Euros a day: vehicles, empty kilometres, and waiting."""
    vehicles: int
    blocks: dict[int, list[str]]
