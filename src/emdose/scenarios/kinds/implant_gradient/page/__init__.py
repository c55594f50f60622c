"""The page of an implant in gradient fields: losses by direction, temperatures, the scene."""
