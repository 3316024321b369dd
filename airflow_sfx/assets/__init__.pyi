from .announce import announce as announce, login as login
from .asset import batch_asset as batch_asset, model_asset as model_asset
from .consumers import missed_pins as missed_pins, pins_from_events as pins_from_events
from .models import model_from_event as model_from_event
