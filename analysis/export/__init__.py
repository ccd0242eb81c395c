"""The winner in use: as a folder that needs torch and safetensors alone, trained again, averaged, asked for classes."""
