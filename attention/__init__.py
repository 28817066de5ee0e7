"""Gatescope: what attention gates do inside convolutional networks.

Data flows one way, and the rooms of the house stand in that order:

    bytes -> images -> zoo network -> capture (one forward pass) -> Trace -> analysis -> figures -> page

records      what passes between the rooms, and the package's errors
images       a stranger's bytes -> an upright picture -> the crop the network sees
layers       squeeze-and-excitation, CBAM, channel shuffle, as their papers state them
networks     the residual networks that the project trains itself
checkpoints  a stranger's weight file -> names and tensors
labels       a file of a person's own -> the names of the classes
recognition  names and shapes of tensors -> the network they belong to
zoo          cards and `load(name)`
capture      one forward pass of any module -> Trace
grouped      grouped convolution: cost, partition, measured time
analysis     numbers out of arrays
survey       every gate over a folder of pictures
figures      records -> plotly figures and overlays; the only plotly
views        saved views of the pages, as a file
report       what a person takes away: one HTML file
ui           what all pages share; the only streamlit
training     how the project's own weights were made
evaluation   what the cards claim, measured
__main__     the command line

Importing the package imports none of them.
"""
