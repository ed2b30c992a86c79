"""The portal: presentation only. It asks the runner for everything and writes nothing but flags."""
