// The page of an implant has no viewer; its pictures and charts stand in it as they are.
