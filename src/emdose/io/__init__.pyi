"""The public names of io, loaded when they are first used."""

from .b1.read import read_b1 as read_b1
from .bodies.nifti import read_volume as read_volume
from .bodies.nifti import write_volume as write_volume
from .bodies.phantoms import read_phantom as read_phantom
from .bodies.phantoms import write_phantom as write_phantom
from .bodies.tables import read_labels as read_labels
from .bodies.tables import read_tissues as read_tissues
from .body_responses import read_response as read_response
from .body_responses import write_response as write_response
from .coils.reading import read_coil as read_coil
from .coils.surfaces import read_conductor as read_conductor
from .coils.writing import write_coil as write_coil
from .gradients.pulseq import read_sequence as read_sequence
from .gradients.waveforms import read_waveform as read_waveform
from .gradients.wire_paths import read_gradient_coil as read_gradient_coil
from .gradients.wire_paths import read_wire_paths as read_wire_paths
from .incident_fields import read_incident_field as read_incident_field
from .limits import read_confirmations as read_confirmations
from .maps.labelled import to_xarray as to_xarray
from .maps.property_maps import read_property_map as read_property_map
from .maps.property_maps import write_property_map as write_property_map
from .meshes import read_implant as read_implant
from .meshes import write_implant as write_implant
from .touchstone import read_touchstone as read_touchstone
from .touchstone import write_touchstone as write_touchstone
